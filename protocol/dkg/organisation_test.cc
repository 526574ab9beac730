#include "protocol/dkg/organisation.h"

#include <gtest/gtest.h>

#include "protocol/base/random.h"
#include "protocol/base/test_must.h"

namespace coprotect::protocol {
namespace {

class OrganisationTest : public testing::Test {
 protected:
  static Code refusal(const Bytes& encoded) {
    const auto parsed = OrganisationCertificate::parse(encoded);
    EXPECT_FALSE(parsed);
    return parsed ? Code::internal : parsed.error().code();
  }
  const SigningKey organisation = SigningKey::generate(system_random());
  const SigningKey identity = SigningKey::generate(system_random());
  const OrganisationCertificate certificate = must(OrganisationCertificate::issue(
      OrganisationKind::agent, "Provider GmbH", organisation, identity.public_key()));
};

TEST_F(OrganisationTest, IsReadBackAsItWas) {
  const auto parsed = must(OrganisationCertificate::parse(certificate.encoded()));
  EXPECT_EQ(parsed, certificate);
  EXPECT_EQ(parsed.kind(), OrganisationKind::agent);
  EXPECT_EQ(parsed.name(), "Provider GmbH");
  EXPECT_EQ(parsed.organisation_key(), organisation.public_key().bytes());
  EXPECT_EQ(parsed.certified_key(), identity.public_key().bytes());
  // SPEC.md §5.1: 4 + 1 + 1 + (2 + 13) + 33 + 33 + 64.
  EXPECT_EQ(certificate.encoded().size(), 151u);
}

TEST_F(OrganisationTest, NoByteCanBeChangedAddedOrLeftOut) {
  for (std::size_t i = 0; i < certificate.encoded().size(); ++i) {
    Bytes changed = certificate.encoded();
    changed[i] ^= 1;
    EXPECT_FALSE(OrganisationCertificate::parse(changed)) << i;
    EXPECT_FALSE(OrganisationCertificate::parse(ByteView(certificate.encoded()).first(i))) << i;
  }
  Bytes longer = certificate.encoded();
  longer.push_back(0);
  EXPECT_EQ(refusal(longer), Code::malformed);
}

// A certificate of one agent under another agent's name, and one that another organisation signed.
TEST_F(OrganisationTest, IsForOneAgentByOneOrganisation) {
  constexpr std::size_t kOrganisationKey = 4 + 1 + 1 + 2 + 13;
  const SigningKey other = SigningKey::generate(system_random());
  Bytes forged = certificate.encoded();
  std::ranges::copy(other.public_key().bytes(), forged.begin() + kOrganisationKey + 33);
  EXPECT_EQ(refusal(forged), Code::unauthenticated);
  forged = certificate.encoded();
  std::ranges::copy(other.public_key().bytes(), forged.begin() + kOrganisationKey);
  EXPECT_EQ(refusal(forged), Code::unauthenticated);
}

TEST_F(OrganisationTest, ARecoveryKeyIsCertifiedAsThePointThatItIs) {
  for (int i = 0; i < 8; ++i) {
    const HpkePrivateKey recovery = HpkePrivateKey::generate(system_random());
    const auto made =
        must(OrganisationCertificate::issue_recovery("acme", organisation, recovery.public_key()));
    EXPECT_EQ(made.kind(), OrganisationKind::recovery);
    EXPECT_EQ(made.certified_key(),
              must(SigningKey::from_scalar(recovery.scalar().reveal())).public_key().bytes());
  }
  HpkePublicKey off_the_curve = HpkePrivateKey::generate(system_random()).public_key();
  off_the_curve.back() ^= 1;
  EXPECT_FALSE(OrganisationCertificate::issue_recovery("acme", organisation, off_the_curve));
}

TEST_F(OrganisationTest, NamesArePrintable) {
  for (const std::string& bad : {std::string(), std::string(65, 'a'), std::string("a\x1b[2J"),
                                 std::string("ä"), std::string("two\nlines")})
    EXPECT_FALSE(
        OrganisationCertificate::issue(OrganisationKind::agent, bad, organisation, identity.public_key()));
  EXPECT_TRUE(OrganisationCertificate::issue(OrganisationKind::agent, std::string(64, 'a'), organisation,
                                             identity.public_key()));
}

}  // namespace
}  // namespace coprotect::protocol
