#include "protocol/threshold/shamir.h"

#include <gtest/gtest.h>

#include "protocol/group/test_suites.h"
#include "protocol/testdata/fixed_random.h"
#include "protocol/testdata/vectors.h"

namespace coprotect::protocol {
namespace {

class ShamirTest : public testing::TestWithParam<SuiteId> {
 protected:
  const Group& group() const { return group_of(GetParam()); }
  Scalar of(std::uint64_t value) const { return Scalar::from_u64(group().scalars(), value); }
  Scalar lambda(const std::vector<std::uint8_t>& indices, std::uint8_t i) const {
    auto result = lagrange_at_zero(group(), indices, i);
    EXPECT_TRUE(result);
    return std::move(*result);
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, ShamirTest, testing::ValuesIn(kAllSuites), test::suite_label);

TEST_P(ShamirTest, EveryQuorumRestoresTheSecret) {
  const Polynomial f = Polynomial::random(group(), 3, system_random());
  for (const std::vector<std::uint8_t>& quorum :
       {std::vector<std::uint8_t>{1, 2, 3}, {3, 1, 5}, {16, 255, 7}, {1, 2, 3, 4}}) {
    Scalar sum = of(0);
    for (const std::uint8_t i : quorum) sum = sum + lambda(quorum, i) * f.at(i);
    EXPECT_TRUE(sum == f.constant());
  }
  Scalar too_few = lambda({1, 2}, 1) * f.at(1) + lambda({1, 2}, 2) * f.at(2);
  EXPECT_FALSE(too_few == f.constant());
}

TEST_P(ShamirTest, CoefficientsOfTheDefaultLayout) {
  const Scalar half = of(2).inverse();
  EXPECT_TRUE(lambda({1, 2}, 1) == of(2));
  EXPECT_TRUE(lambda({1, 2}, 2) == of(0) - of(1));
  EXPECT_TRUE(lambda({2, 3}, 2) == of(3));
  EXPECT_TRUE(lambda({2, 3}, 3) == of(0) - of(2));
  EXPECT_TRUE(lambda({1, 3}, 1) == of(3) * half);
  EXPECT_TRUE(lambda({3, 1}, 3) == of(0) - half);
  EXPECT_TRUE(lambda({9}, 9) == of(1));
}

TEST_P(ShamirTest, CommitmentsGiveThePublicShares) {
  for (const std::uint8_t t : std::vector<std::uint8_t>{1, 2, 5}) {
    const Polynomial f = Polynomial::random(group(), t, system_random());
    const std::vector<Element> commitments = f.commitments();
    ASSERT_EQ(commitments.size(), t);
    EXPECT_TRUE(commitments.front() == group().generator_power_secret(f.constant()));
    for (const std::uint8_t i : std::vector<std::uint8_t>{1, 2, 16})
      EXPECT_TRUE(committed_value(commitments, i) == group().generator_power_secret(f.at(i)));
  }
}

TEST_P(ShamirTest, RefusesSetsOfIndicesThatAreNoQuorum) {
  using Indices = std::vector<std::uint8_t>;
  Indices many(kMaxShares + 1);
  for (std::uint8_t i = 0; i < many.size(); ++i) many[i] = static_cast<std::uint8_t>(i + 1);
  for (const auto& [indices, i] : {std::pair<Indices, std::uint8_t>{{}, 1},
                                   {{0, 1}, 1},
                                   {{0, 1}, 0},
                                   {{1, 1}, 1},
                                   {{1, 2, 3, 2}, 1},
                                   {{1, 2}, 3},
                                   {many, 1}})
    EXPECT_EQ(lagrange_at_zero(group(), indices, i).error().code(), Code::malformed);
}

TEST(Shamir, SharesOfRfc9591) {
  const Group& group = group_of(SuiteId::p256);
  for (const auto& vector : testdata::read_vectors("rfc9591_p256.vec")) {
    // A scalar is drawn as 48 bytes and reduced: the vector's coefficients with 16 leading zero bytes each.
    Bytes random(16);
    const auto append = [&random](const Bytes& bytes) {
      random.insert(random.end(), bytes.begin(), bytes.end());
    };
    append(vector.hex("group_secret_key"));
    append(Bytes(16));
    append(vector.hex("share_polynomial_coefficients[1]"));
    FixedRandom fixed(random);
    const Polynomial f = Polynomial::random(group, 2, fixed);
    EXPECT_TRUE(fixed.used_up());

    EXPECT_EQ(to_hex(f.commitments().front().encode()), vector.text("group_public_key"));
    std::vector<Scalar> shares;
    for (const std::uint8_t i : std::vector<std::uint8_t>{1, 2, 3}) {
      const std::string name = "P" + std::to_string(i) + " participant_share";
      EXPECT_EQ(to_hex(f.at(i).bytes().reveal()), vector.text(name));
      shares.push_back(f.at(i));
    }
    const std::vector<std::uint8_t> participants = vector.hex("participant_list");
    Scalar secret = Scalar::from_u64(group.scalars(), 0);
    for (const std::uint8_t i : participants)
      secret = secret + *lagrange_at_zero(group, participants, i) * shares[i - 1u];
    EXPECT_EQ(to_hex(secret.bytes().reveal()), vector.text("group_secret_key"));
  }
}

TEST(ShamirDeathTest, TheSecretIsNotAShare) {
  const Polynomial f = Polynomial::random(group_of(SuiteId::p256), 2, system_random());
  EXPECT_EXIT(f.at(0), testing::KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace coprotect::protocol
