#include "protocol/message/invitation.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "protocol/base/secret_writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/test_ceremony.h"
#include "protocol/message/base64url.h"

namespace coprotect::protocol {
namespace {

std::string text_of_secret(const Secret& secret) {
  return std::string(text_of(secret.reveal()));
}

TEST(Base64Url, FollowsRfc4648) {
  // §10, without padding, and the two symbols that differ from base64.
  const std::vector<std::pair<std::string, std::string>> vectors = {
      {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
      {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"},
  };
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(text_of_secret(base64url_encode(bytes_of(plain))), encoded);
    const auto decoded = base64url_decode(bytes_of(encoded));
    ASSERT_TRUE(decoded) << encoded;
    EXPECT_EQ(text_of_secret(*decoded), plain);
  }
  for (const char* const bad : {"Z", "Zg==", "Zh", "Zm9", "Zm9v\n", "Zm 9", "+/8", "Zm9vY"}) {
    EXPECT_FALSE(base64url_decode(bytes_of(bad))) << bad;
  }
}

class InvitationTest : public testing::Test {
 protected:
  Invitation make() const {
    return {
        .role = "cloud",
        .url = "https://127.0.0.1:8443",
        .identity_certificate = authority,
        .organisation = std::nullopt,
        .id = id,
        .secret = Secret::copy_of(ByteArray<16>{1, 2, 3}),
        .expires_ms = test::kNow,
        .tenant = {},
        .client_certificate = issue(client_key, authority, identity, "coprotect:invitation:0102030405060708"),
        .client_key = must(SigningKey::from_scalar(client_key.scalar().reveal()))};
  }
  static Certificate issue(const SigningKey& subject, const Certificate& issuer, const SigningKey& issuer_key,
                           const std::string& uri) {
    return test::make_certificate("invited", CertificateUse::client, subject, &issuer, issuer_key, {uri});
  }
  static std::string line(const Invitation& invitation) { return text_of_secret(invitation.encode()); }
  static std::string refusal(const std::string& text) {
    const auto parsed = Invitation::parse(bytes_of(text));
    if (parsed) return "accepted";
    EXPECT_EQ(parsed.error().code(), Code::malformed);
    return parsed.error().message();
  }

  const InvitationId id{1, 2, 3, 4, 5, 6, 7, 8};
  const SigningKey identity = SigningKey::generate(system_random());
  const SigningKey client_key = SigningKey::generate(system_random());
  const Certificate authority = test::make_authority("cloud", identity);
  static constexpr const char* kMistyped = "invitation: mistyped or cut off: its checksum does not hold";
};

TEST_F(InvitationTest, IsReadBackAsItWas) {
  const Invitation invitation = make();
  const std::string text = line(invitation);
  EXPECT_TRUE(text.starts_with("coprotect-invitation-1."));
  const auto parsed = Invitation::parse(bytes_of(text));
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->role, "cloud");
  EXPECT_EQ(parsed->url, invitation.url);
  EXPECT_EQ(parsed->id, id);
  EXPECT_EQ(parsed->expires_ms, test::kNow);
  EXPECT_EQ(parsed->tenant, "");
  EXPECT_TRUE(equal_in_constant_time(parsed->secret, invitation.secret));
  EXPECT_EQ(parsed->identity_certificate.der(), authority.der());
  EXPECT_EQ(parsed->client_certificate.der(), invitation.client_certificate.der());
  EXPECT_EQ(parsed->client_key.public_key(), client_key.public_key());
  EXPECT_EQ(line(*parsed), text);
}

TEST_F(InvitationTest, WhiteSpaceAroundItDoesNotMatter) {
  EXPECT_TRUE(Invitation::parse(bytes_of(" \t" + line(make()) + " \r\n")));
  std::string broken = line(make());
  broken.insert(40, " ");
  EXPECT_EQ(refusal(broken), kMistyped);
}

TEST_F(InvitationTest, SaysWhenItWasMistypedOrCut) {
  const std::string text = line(make());
  for (std::size_t i = text.find('.') + 1; i < text.size(); ++i) {
    std::string mistyped = text;
    mistyped[i] = mistyped[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(refusal(mistyped), kMistyped) << i;
    EXPECT_EQ(refusal(text.substr(0, i)), kMistyped) << i;
  }
  EXPECT_EQ(refusal(text + "AAAA"), kMistyped);
}

TEST_F(InvitationTest, SaysWhenItIsSomethingElse) {
  for (const char* const other : {"", "  \n", "coprotect-invitation-2.AAAA", "https://example.com"}) {
    EXPECT_EQ(refusal(other), "invitation: does not begin with \"coprotect-invitation-1.\"");
  }
}

TEST_F(InvitationTest, RefusesContentThatIsNotOfItsForm) {
  const std::string form = "invitation: its content is not of version 1";
  Invitation invitation = make();
  invitation.role = "Cloud";
  EXPECT_EQ(refusal(line(invitation)), form);
  invitation = make();
  invitation.url = "https://a b";
  EXPECT_EQ(refusal(line(invitation)), form);
  invitation = make();
  invitation.url = "";
  EXPECT_EQ(refusal(line(invitation)), form);
  invitation = make();
  invitation.tenant = "Acme";
  EXPECT_EQ(refusal(line(invitation)), form);
  invitation = make();
  invitation.expires_ms = -1;
  EXPECT_EQ(refusal(line(invitation)), form);
  invitation = make();
  invitation.secret = Secret(15);
  EXPECT_NE(refusal(line(invitation)), "accepted");
  // A valid checksum over a payload of version 2, and over an empty one.
  for (const Bytes& payload : {Bytes{2}, Bytes{}}) {
    SecretWriter content;
    content.bytes(payload).bytes(ByteView(sha256(payload)).first(4));
    EXPECT_EQ(refusal("coprotect-invitation-1." + text_of_secret(base64url_encode(content.reveal()))), form);
  }
}

TEST_F(InvitationTest, ItsClientCertificateWasIssuedForIt) {
  const std::string foreign = "invitation: its client certificate was not issued for it";
  Invitation invitation = make();
  invitation.id[7] ^= 1;
  EXPECT_EQ(refusal(line(invitation)), foreign);
  invitation = make();
  const SigningKey other_key = SigningKey::generate(system_random());
  const Certificate other = test::make_authority("cloud", other_key);
  invitation.client_certificate =
      issue(client_key, other, other_key, "coprotect:invitation:0102030405060708");
  EXPECT_EQ(refusal(line(invitation)), foreign);
  invitation = make();
  invitation.client_key = SigningKey::generate(system_random());
  EXPECT_EQ(refusal(line(invitation)), "invitation: its client key is not the one of its client certificate");
}

TEST_F(InvitationTest, CarriesTheOrganisationOfItsAgent) {
  const SigningKey provider = SigningKey::generate(system_random());
  Invitation invitation = make();
  invitation.organisation = must(
      OrganisationCertificate::issue(OrganisationKind::agent, "Provider", provider, identity.public_key()));
  const auto parsed = Invitation::parse(bytes_of(line(invitation)));
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->organisation, invitation.organisation);

  const std::string foreign = "invitation: its organisation certificate is not for its agent";
  invitation.organisation = must(OrganisationCertificate::issue(OrganisationKind::recovery, "Provider",
                                                                provider, identity.public_key()));
  EXPECT_EQ(refusal(line(invitation)), foreign);
  invitation.organisation = must(
      OrganisationCertificate::issue(OrganisationKind::agent, "Provider", provider, provider.public_key()));
  EXPECT_EQ(refusal(line(invitation)), foreign);
}

// If the organisation did not sign it, the form is valid, but the signature is not (SPEC.md §5.1).
TEST_F(InvitationTest, RefusesAnOrganisationThatDidNotSign) {
  Invitation invitation = make();
  invitation.organisation = must(OrganisationCertificate::issue(
      OrganisationKind::agent, "Provider", SigningKey::generate(system_random()), identity.public_key()));
  const std::string text = line(invitation);
  const Secret decoded = *base64url_decode(bytes_of(text).subspan(text.find('.') + 1));
  Bytes payload(decoded.reveal().begin(), decoded.reveal().end() - 4);
  const Bytes& certificate = invitation.organisation->encoded();
  const auto at = std::ranges::search(payload, certificate).begin();
  ASSERT_NE(at, payload.end());
  at[static_cast<std::ptrdiff_t>(certificate.size()) - 1] ^= 1;
  const Digest checksum = sha256(payload);
  payload.insert(payload.end(), checksum.begin(), checksum.begin() + 4);
  const auto refused =
      Invitation::parse(bytes_of("coprotect-invitation-1." + text_of_secret(base64url_encode(payload))));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::unauthenticated) << refused.error().message();
}

TEST(InvitationMac, DependsOnSecretTagAndContent) {
  const Secret secret = Secret::copy_of(ByteArray<16>{1});
  const Digest mac = invitation_mac(secret, "CPV1-OPEN", bytes_of("x"));
  EXPECT_EQ(mac, invitation_mac(secret, "CPV1-OPEN", bytes_of("x")));
  EXPECT_NE(mac, invitation_mac(Secret(16), "CPV1-OPEN", bytes_of("x")));
  EXPECT_NE(mac, invitation_mac(secret, "CPV1-OFFER", bytes_of("x")));
  EXPECT_NE(mac, invitation_mac(secret, "CPV1-OPEN", bytes_of("y")));
}

}  // namespace
}  // namespace coprotect::protocol
