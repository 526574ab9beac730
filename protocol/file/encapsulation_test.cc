#include "protocol/file/encapsulation.h"

#include <gtest/gtest.h>

#include "protocol/threshold/partial.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr KeyId kKeyId = {0x6b, 0x65, 0x79};

// With t = 1, the only share is the key.
class EncapsulationTest : public testing::TestWithParam<SuiteId> {
 protected:
  Result<Secret> open(ByteView encoded) const {
    const auto header = parse_encapsulation(encoded, kKeyId);
    if (!header) return header.error();
    const Ciphertext& ciphertext = header->stanzas().front().ciphertext;
    const IndexedPartial partial{1, group_.power_secret(ciphertext.c1, secret_)};
    const auto m = combine(ciphertext.c2, std::span(&partial, 1));
    if (!m) return m.error();
    const auto file_key = header->unlock(*m);
    if (!file_key) return file_key.error();
    return encapsulated_secret(*file_key);
  }

  const Group& group_ = group_of(GetParam());
  const Scalar secret_ = Scalar::random(group_.scalars(), system_random());
  const PublicKey key_ = *PublicKey::make(group_.generator_power_secret(secret_));
};
INSTANTIATE_TEST_SUITE_P(Suites, EncapsulationTest, testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& suite) { return std::string(suite_name(suite.param)); });

TEST_P(EncapsulationTest, GivesWhoOpensItTheSameSecret) {
  const Encapsulated made = encapsulate(key_, kKeyId, system_random());
  EXPECT_EQ(made.secret.size(), kEncapsulatedSecretSize);
  const auto opened = open(made.encapsulation);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(to_hex(opened->reveal()), to_hex(made.secret.reveal()));
  const Encapsulated other = encapsulate(key_, kKeyId, system_random());
  EXPECT_NE(to_hex(other.secret.reveal()), to_hex(made.secret.reveal()));
}

TEST_P(EncapsulationTest, CannotBeChanged) {
  const Encapsulated made = encapsulate(key_, kKeyId, system_random());
  const std::size_t step = GetParam() == SuiteId::p256 ? 1 : 331;
  for (std::size_t i = 0; i < made.encapsulation.size(); i += step) {
    Bytes changed = made.encapsulation;
    changed[i] ^= 1;
    EXPECT_FALSE(open(changed)) << i;
  }
  Bytes longer = made.encapsulation;
  longer.push_back(0);
  EXPECT_EQ(open(longer).error().code(), Code::malformed);
  longer.resize(made.encapsulation.size() - 1);
  EXPECT_EQ(open(longer).error().code(), Code::malformed);
  EXPECT_EQ(open({}).error().code(), Code::malformed);
  EXPECT_EQ(parse_encapsulation(made.encapsulation, KeyId{1}).error().code(), Code::not_found);
}

TEST_P(EncapsulationTest, IsNoFileAndAFileIsNone) {
  const Encapsulated made = encapsulate(key_, kKeyId, system_random());
  EXPECT_FALSE(Header::parse(made.encapsulation));
  const ByteView prefix = ByteView(made.encapsulation).first(5);
  for (const std::string_view policy : {"", R"({"version":1})"}) {
    const auto [header, file_key] =
        *Header::create(key_, kKeyId, Bytes(policy.begin(), policy.end()), system_random());
    EXPECT_FALSE(open(header.encoded()));
    Bytes disguised(prefix.begin(), prefix.end());
    disguised.insert(disguised.end(), header.encoded().begin(), header.encoded().end());
    const auto opened = open(disguised);
    EXPECT_EQ(static_cast<bool>(opened), policy.empty());
    if (opened) {
      EXPECT_NE(to_hex(opened->reveal()), to_hex(file_key.reveal()));
    }
  }
}

}  // namespace
}  // namespace coprotect::protocol
