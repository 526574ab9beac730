#include "protocol/dkg/parameters.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "protocol/dkg/test_ceremony.h"

namespace coprotect::protocol {
namespace {

using test::TestCeremony;

class ParametersTest : public testing::Test {
 protected:
  Parameters::Fields fields() const { return ceremony.parameters.fields(); }
  static void expect_refused(Parameters::Fields fields, const std::string& cause) {
    const auto made = Parameters::make(std::move(fields));
    ASSERT_FALSE(made) << cause;
    EXPECT_EQ(made.error().code(), Code::malformed);
    EXPECT_NE(made.error().message().find(cause), std::string::npos) << made.error().message();
  }

  OrganisationCertificate certified(OrganisationKind kind, const VerifyKey& identity) const {
    return must(OrganisationCertificate::issue(kind, "acme", ceremony.client_ca_key, identity));
  }

  const TestCeremony ceremony{SuiteId::p256};
};

TEST_F(ParametersTest, RoundTripThroughTheirEncoding) {
  for (const SuiteId suite : kAllSuites) {
    const TestCeremony one(suite, {3, {{"cloud", {1, 4}}, {"company", {2}}, {"recovery", {3}}}});
    const auto parsed = Parameters::parse(one.parameters.encoded());
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->encoded(), one.parameters.encoded());
    EXPECT_EQ(parsed->sid(), one.parameters.sid());
    EXPECT_EQ(parsed->fields().suite, suite);
    EXPECT_EQ(parsed->holder_of(4), 0u);
    EXPECT_EQ(parsed->holder_of(3), 2u);
    EXPECT_EQ(parsed->position_of("company"), 1u);
    EXPECT_EQ(parsed->position_of("nobody"), std::nullopt);
    EXPECT_EQ(parsed->position_of(one.identity_keys[2].public_key()), 2u);
    EXPECT_EQ(parsed->position_of(one.client_ca_key.public_key()), std::nullopt);
  }
}

TEST_F(ParametersTest, EveryFlippedByteIsRefusedOrAnotherCeremony) {
  for (std::size_t i = 0; i < ceremony.parameters.encoded().size(); ++i) {
    Bytes flipped = ceremony.parameters.encoded();
    flipped[i] ^= 1;
    const auto parsed = Parameters::parse(flipped);
    EXPECT_TRUE(!parsed || parsed->sid() != ceremony.parameters.sid()) << i;
  }
}

TEST_F(ParametersTest, EveryOtherLengthIsRefused) {
  Bytes encoded = ceremony.parameters.encoded();
  for (std::size_t i = 0; i < encoded.size(); ++i)
    EXPECT_FALSE(Parameters::parse(ByteView(encoded).first(i))) << i;
  encoded.push_back(0);
  EXPECT_FALSE(Parameters::parse(encoded));
}

TEST_F(ParametersTest, ThresholdIsOneToN) {
  auto f = fields();
  f.t = 0;
  expect_refused(f, "threshold 0 of 3");
  f.t = 4;
  expect_refused(f, "threshold 4 of 3");
  f.t = 2;
  f.n = 17;
  expect_refused(f, "threshold 2 of 17");
}

TEST_F(ParametersTest, EveryIndexHasOneHolder) {
  auto f = fields();
  f.n = 4;
  expect_refused(f, "an index has no holder");
  f = fields();
  f.parties[0].indices = {2};
  expect_refused(f, "index 2 has two holders");
  f.parties[0].indices = {4};
  expect_refused(f, "index 4 is outside 1..n");
  f.parties[0].indices = {0};
  expect_refused(f, "index 0 is outside 1..n");
  f.parties[0].indices = {};
  expect_refused(f, "party \"cloud\": parameters: no index");
  f.n = 4;
  f.parties[0].indices = {4, 1};
  expect_refused(f, "indices are not ascending");
  f.parties[0].indices = {1, 1};
  expect_refused(f, "indices are not ascending");
}

TEST_F(ParametersTest, PartiesAreDistinct) {
  auto f = fields();
  f.parties[2].name = "cloud";
  expect_refused(f, "two parties named \"cloud\"");
  f = fields();
  f.parties[2].identity_key = f.parties[0].identity_key;
  expect_refused(f, "one identity key");
  f = fields();
  f.parties[2].ceremony_key = f.parties[0].ceremony_key;
  expect_refused(f, "one ceremony key");
}

TEST_F(ParametersTest, OneToSixteenParties) {
  auto f = fields();
  f.parties.clear();
  expect_refused(f, "not 1 to 16 parties");
  f.parties.assign(17, fields().parties[2]);
  expect_refused(f, "not 1 to 16 parties");
}

TEST_F(ParametersTest, NamesAndTenantHaveTheirForm) {
  for (const char* const bad : {"", "Cloud", "clo ud", "cloud\n", "clöud", "cloud/x"}) {
    auto f = fields();
    f.parties[0].name = bad;
    expect_refused(f, "name");
    f = fields();
    f.tenant = bad;
    expect_refused(f, "tenant");
  }
  auto f = fields();
  f.parties[0].name = std::string(33, 'a');
  expect_refused(f, "name");
  f = fields();
  f.tenant = std::string(65, 'a');
  expect_refused(f, "tenant");
}

TEST_F(ParametersTest, OnlyAgentsHaveUrlAndIdentityCertificate) {
  auto f = fields();
  f.parties[2].url = "https://recovery.example";
  expect_refused(f, "party \"recovery\": parameters: not an agent");
  f = fields();
  f.parties[2].identity_certificate = test::make_authority("recovery", ceremony.identity_keys[2]);
  expect_refused(f, "not an agent");
  f = fields();
  f.parties[0].identity_certificate.reset();
  expect_refused(f, "without an identity certificate");
  for (const std::string& bad :
       {std::string(), std::string("https://a b"), std::string("https://a\x1b[2J"), std::string(256, 'a')}) {
    f = fields();
    f.parties[0].url = bad;
    expect_refused(f, "without a proper url");
  }
}

TEST_F(ParametersTest, AtMostOnePartyIsNoAgentAndHoldsOneIndex) {
  auto f = fields();
  std::swap(f.parties[0], f.parties[2]);
  Party& second = f.parties[2];
  second.mode = KeeperMode::not_an_agent;
  second.url.clear();
  second.identity_certificate.reset();
  second.organisation = f.parties[0].organisation;
  expect_refused(f, "more than one party is not an agent");
  f = fields();
  f.n = 4;
  f.parties[2].indices = {3, 4};
  expect_refused(f, "holds more than one recovery share");
}

TEST_F(ParametersTest, IdentityCertificateIsSelfSignedByTheIdentityKey) {
  auto f = fields();
  f.parties[0].identity_certificate = f.parties[1].identity_certificate;
  expect_refused(f, "not self-signed by the identity key");
  // The right key, but another issuer.
  f.parties[0].identity_certificate =
      test::make_certificate("cloud", CertificateUse::authority, ceremony.identity_keys[0],
                             &*f.parties[1].identity_certificate, ceremony.identity_keys[1]);
  expect_refused(f, "not self-signed by the identity key");
}

// Each agent keeps the certificates of all its keys at hand. One that was too long ended the agent.
TEST_F(ParametersTest, CertificatesOfAuthoritiesAreShort) {
  const std::vector<std::string> names(40, "coprotect:acme:user:" + std::string(64, 'a'));
  const auto long_one = [&](const std::string& name, const SigningKey& key) {
    return test::make_certificate(name, CertificateUse::authority, key, nullptr, key, names);
  };
  auto f = fields();
  f.parties[0].identity_certificate = long_one("cloud", ceremony.identity_keys[0]);
  ASSERT_GT(f.parties[0].identity_certificate->der().size(), 2048u);
  expect_refused(f, "identity certificate is too long");
  f = fields();
  f.client_ca = long_one("acme client CA", ceremony.client_ca_key);
  expect_refused(f, "client CA certificate is too long");
}

// With another party's certificate, a party would move to another organisation.
TEST_F(ParametersTest, EachPartyIsCertifiedByItsOrganisation) {
  auto f = fields();
  f.parties[0].organisation = f.parties[1].organisation;
  expect_refused(f, "party \"cloud\": parameters: organisation certificate is for another identity key");
  f = fields();
  f.parties[0].organisation = certified(OrganisationKind::recovery, f.parties[0].identity_key);
  expect_refused(f, "organisation certificate is of the wrong kind");
  f = fields();
  f.parties[2].organisation = certified(OrganisationKind::agent, f.parties[2].identity_key);
  expect_refused(f, "organisation certificate is of the wrong kind");
  // The recovery party's certificate is for the recovery key, so no other key can be put under the company's
  // name.
  f = fields();
  f.recovery_key = HpkePrivateKey::generate(system_random()).public_key();
  expect_refused(f, "party \"recovery\": its ceremony key is not the recovery key");
  f.parties[2].ceremony_key = *f.recovery_key;
  expect_refused(f, "party \"recovery\": parameters: organisation certificate is for another recovery key");
  f = fields();
  f.parties[2].organisation = certified(OrganisationKind::recovery, f.parties[2].identity_key);
  expect_refused(f, "organisation certificate is for another recovery key");
  // Its signature is checked when it is parsed.
  f = fields();
  const Bytes& whole = f.parties[0].organisation.encoded();
  Bytes forged = ceremony.parameters.encoded();
  const auto at = std::search(forged.begin(), forged.end(), whole.begin(), whole.end());
  ASSERT_NE(at, forged.end());
  *(at + static_cast<std::ptrdiff_t>(whole.size()) - 1) ^= 1;
  const auto parsed = Parameters::parse(forged);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), Code::unauthenticated);
}

TEST_F(ParametersTest, ClientCaIsSelfSigned) {
  auto f = fields();
  const Certificate root = test::make_authority("root", ceremony.identity_keys[2]);
  f.client_ca = test::make_certificate("ca", CertificateUse::authority, ceremony.client_ca_key, &root,
                                       ceremony.identity_keys[2]);
  expect_refused(f, "client CA certificate is not self-signed");
}

// Otherwise a key could be made under a CA whose clients could never use it.
TEST_F(ParametersTest, CertificatesThatSignOthersAreAuthorities) {
  auto f = fields();
  f.client_ca = test::make_certificate("acme client CA", CertificateUse::client, ceremony.client_ca_key,
                                       nullptr, ceremony.client_ca_key);
  expect_refused(f, "client CA certificate is not an authority's (CA:FALSE)");
  f = fields();
  f.parties[0].identity_certificate = test::make_certificate(
      "cloud", CertificateUse::server, ceremony.identity_keys[0], nullptr, ceremony.identity_keys[0]);
  expect_refused(f, "party \"cloud\": parameters: identity certificate is not an authority's (CA:FALSE)");
}

TEST_F(ParametersTest, KeysAreOnTheCurve) {
  auto f = fields();
  f.parties[0].ceremony_key.back() ^= 1;
  expect_refused(f, "ceremony key is not a point");
  f = fields();
  f.recovery_key->back() ^= 1;
  expect_refused(f, "recovery key is not a point");
  f = fields();
  f.recovery_key.reset();
  expect_refused(f, "its ceremony key is not the recovery key");
}

TEST_F(ParametersTest, ThereIsOneRecoveryPartyWithOneIndexAtMost) {
  auto f = fields();
  f.n = 4;
  f.parties[2].indices = {3, 4};
  expect_refused(f, "party \"recovery\" holds more than one recovery share");

  f = fields();
  f.n = 4;
  Party second = f.parties[2];
  second.name = "recovery-b";
  second.indices = {4};
  second.identity_key = SigningKey::generate(system_random()).public_key();
  second.ceremony_key = HpkePrivateKey::generate(system_random()).public_key();
  f.parties.push_back(std::move(second));
  expect_refused(f, "more than one party is not an agent");
}

TEST_F(ParametersTest, ARecoveryKeyBelongsToARecoveryParty) {
  auto f = fields();
  f.parties.pop_back();
  f.n = 2;
  expect_refused(f, "a recovery key without a recovery party");
  f.recovery_key.reset();
  EXPECT_TRUE(Parameters::make(f));
}

TEST_F(ParametersTest, UnknownNumbersAreRefused) {
  auto f = fields();
  f.purpose = static_cast<Purpose>(3);
  expect_refused(f, "unknown purpose");
  f = fields();
  f.parties[2].mode = static_cast<KeeperMode>(3);
  expect_refused(f, "unknown mode");
  Bytes encoded = ceremony.parameters.encoded();
  encoded[4] = 2;
  EXPECT_FALSE(Parameters::parse(encoded)) << "version 2";
  encoded = ceremony.parameters.encoded();
  encoded[6] = 0x11;
  EXPECT_FALSE(Parameters::parse(encoded)) << "unknown suite";
}

}  // namespace
}  // namespace coprotect::protocol
