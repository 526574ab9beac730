#include "protocol/message/invitation.h"

#include <openssl/x509.h>

#include <algorithm>

#include "protocol/base/secret_writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/message/base64url.h"
#include "protocol/message/fields.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kPrefix = "coprotect-invitation-1.";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kChecksumSize = 4;

Error malformed_invitation(std::string_view what) {
  return {Code::malformed, "invitation: " + std::string(what)};
}

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = line.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kSpace) - first + 1);
}

// The payload, if its checksum is right.
std::optional<Secret> read_payload(std::string_view symbols) {
  const auto decoded = base64url_decode(bytes_of(symbols));
  if (!decoded || decoded->size() < kChecksumSize) return std::nullopt;
  const ByteView payload = decoded->reveal().first(decoded->size() - kChecksumSize);
  const Digest digest = sha256(payload);
  if (!equal_in_constant_time(decoded->reveal().last(kChecksumSize), ByteView(digest).first(kChecksumSize))) {
    return std::nullopt;
  }
  return Secret::copy_of(payload);
}

// Whether the agent issued the certificate for this invitation.
bool belongs_to(const Certificate& client, const InvitationId& id, const Certificate& identity) {
  const auto uris = client.uris();
  return X509_verify(client.x509(), identity.key().evp()) == 1 &&
         std::ranges::find(uris, "coprotect:invitation:" + to_hex(id)) != uris.end();
}

}  // namespace

Secret Invitation::encode() const {
  SecretWriter payload;
  payload.u8(kVersion).lp(role).lp(url).lp(identity_certificate.der());
  payload.lp(organisation ? ByteView(organisation->encoded()) : ByteView()).bytes(id).bytes(secret.reveal());
  payload.u64(static_cast<std::uint64_t>(expires_ms))
      .lp(tenant)
      .lp(client_certificate.der())
      .bytes(client_key.scalar().reveal());
  payload.bytes(ByteView(sha256(payload.reveal())).first(kChecksumSize));
  SecretWriter line;
  line.bytes(bytes_of(kPrefix)).bytes(base64url_encode(payload.reveal()).reveal());
  return std::move(line).take();
}

Result<Invitation> Invitation::parse(ByteView line) {
  const std::string_view text = trimmed(text_of(line));
  if (!text.starts_with(kPrefix)) {
    return malformed_invitation("does not begin with \"" + std::string(kPrefix) + "\"");
  }
  const auto payload = read_payload(text.substr(kPrefix.size()));
  if (!payload) return malformed_invitation("mistyped or cut off: its checksum does not hold");

  Reader r(payload->reveal());
  const auto version = r.u8();
  auto role = r.text();
  auto url = read_uri(r);
  const auto identity_der = r.lp();
  const auto organisation_bytes = r.lp();
  const auto id = r.array<8>();
  const auto secret = r.bytes(16);
  const auto expires = read_time(r);
  auto tenant = r.text();
  const auto client_der = r.lp();
  const auto client_scalar = r.bytes(32);
  if (version != kVersion || !role || !valid_party_name(*role) || !url || !identity_der ||
      !organisation_bytes || !id || !secret || !expires || !tenant ||
      (!tenant->empty() && !valid_tenant(*tenant)) || !client_der || !client_scalar || !r.empty()) {
    return malformed_invitation("its content is not of version 1");
  }
  auto identity = Certificate::parse_der(*identity_der);
  if (!identity) return std::move(identity).error().in("invitation: identity certificate");
  std::optional<OrganisationCertificate> organisation;
  if (!organisation_bytes->empty()) {
    auto parsed = OrganisationCertificate::parse(*organisation_bytes);
    if (!parsed) return std::move(parsed).error().in("invitation");
    if (parsed->kind() != OrganisationKind::agent || parsed->certified_key() != identity->key().bytes())
      return malformed_invitation("its organisation certificate is not for its agent");
    organisation = *std::move(parsed);
  }
  auto client = Certificate::parse_der(*client_der);
  if (!client) return std::move(client).error().in("invitation: client certificate");
  auto key = SigningKey::from_scalar(*client_scalar);
  if (!key) return std::move(key).error().in("invitation: client key");
  if (key->public_key() != client->key())
    return malformed_invitation("its client key is not the one of its client certificate");
  if (!belongs_to(*client, *id, *identity))
    return malformed_invitation("its client certificate was not issued for it");
  return Invitation{
      .role = *std::move(role),
      .url = *std::move(url),
      .identity_certificate = *std::move(identity),
      .organisation = std::move(organisation),
      .id = *id,
      .secret = Secret::copy_of(*secret),
      .expires_ms = *expires,
      .tenant = *std::move(tenant),
      .client_certificate = *std::move(client),
      .client_key = *std::move(key),
  };
}

Digest invitation_mac(const Secret& secret, std::string_view tag, ByteView x) {
  return hmac_sha256(secret.reveal(), tagged_hash(tag, {sha256(x)}));
}

}  // namespace coprotect::protocol
