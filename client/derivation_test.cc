#include "client/derivation.h"

#include <gtest/gtest.h>

#include "protocol/crypto/p256.h"
#include "protocol/dkg/test_ceremony.h"

namespace coprotect::client {
namespace {

using protocol::SuiteId;

class DerivationTest : public testing::TestWithParam<SuiteId> {
 protected:
  bool refuses(ByteView value) const {
    const auto parsed = parse_peer(group_, value);
    return !parsed && parsed.error().code() == Code::malformed;
  }
  const protocol::Group& group_ = protocol::group_of(GetParam());
  const protocol::Element element_ = group_.random_message(system_random());
  const Bytes encoded_ = element_.encode();
};
INSTANTIATE_TEST_SUITE_P(Suites, DerivationTest, testing::ValuesIn(protocol::kAllSuites),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(DerivationTest, ReadsTheStandardsForms) {
  EXPECT_TRUE(must(parse_peer(group_, encoded_)) == element_);
  if (GetParam() == SuiteId::p256) {
    const auto point = protocol::p256::parse_point(encoded_);
    ASSERT_TRUE(point);
    EXPECT_TRUE(must(parse_peer(group_, *point)) == element_);
  } else {
    Bytes four{4};  // 2², without leading zeros
    Bytes full(group_.element_size());
    full.back() = 4;
    EXPECT_TRUE(must(parse_peer(group_, four)) == must(group_.parse(full)));
  }
}

TEST_P(DerivationTest, RefusesWhatIsNoPublicValue) {
  EXPECT_TRUE(refuses({}));
  EXPECT_TRUE(refuses(Bytes(1)));
  EXPECT_TRUE(refuses(Bytes{1}));
  EXPECT_TRUE(refuses(Bytes(group_.element_size())));
  EXPECT_TRUE(refuses(Bytes(group_.element_size(), 0xff)));
  Bytes longer = encoded_;
  longer.insert(longer.begin(), 0);
  EXPECT_TRUE(refuses(longer));
  if (GetParam() != SuiteId::p256) return;
  const auto point = protocol::p256::parse_point(encoded_);
  for (const std::size_t at : {std::size_t{0}, std::size_t{1}, std::size_t{33}, std::size_t{64}}) {
    Bytes off(point->begin(), point->end());
    off[at] ^= 0x10;
    EXPECT_TRUE(refuses(off)) << at;
  }
}

TEST_P(DerivationTest, GivesThePublicValueInTheStandardsForm) {
  if (GetParam() != SuiteId::p256 && GetParam() != SuiteId::ffdhe3072) return;
  const auto run = protocol::test::TestCeremony(GetParam()).run();
  const Bytes value = public_value(run.bundle);
  EXPECT_EQ(value.size(), GetParam() == SuiteId::p256 ? 65u : 384u);
  EXPECT_TRUE(must(parse_peer(group_, value)) == run.bundle.public_key().h());
}

TEST(Derivation, IsWithKeysOfItsPurposeOnly) {
  const protocol::test::TestCeremony ceremony(SuiteId::p256);
  auto key = protocol::SigningKey::generate(system_random());
  auto certificate = protocol::test::make_certificate("alice", protocol::CertificateUse::client, key,
                                                      &ceremony.parameters->client_ca, ceremony.client_ca_key,
                                                      {"coprotect:acme:user:alice"});
  const auto made =
      Derivation::make(ceremony.run().bundle, {.certificate = std::move(certificate), .key = std::move(key)},
                       protocol::Action::view, "cms", std::chrono::seconds(1), std::nullopt);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Code::denied);
  EXPECT_NE(made.error().message().find("purpose envelope"), std::string::npos) << made.error().message();
}

}  // namespace
}  // namespace coprotect::client
