#pragma once

#include <optional>
#include <string>

#include "protocol/crypto/ecdsa.h"
#include "protocol/dkg/organisation.h"
#include "protocol/x509/certificate.h"

namespace coprotect::protocol {

using InvitationId = ByteArray<8>;

// What an agent's operator gives to the company's administrator, as one line (SPEC.md §5.3).
struct Invitation {
  std::string role;
  std::string url;
  Certificate identity_certificate;
  // Whose agent it is. Without it the agent is the company's: the tool certifies it with the client CA.
  std::optional<OrganisationCertificate> organisation;
  InvitationId id;
  Secret secret;  // 16 bytes
  std::int64_t expires_ms;
  std::string tenant;  // the only one that it is for; empty: any
  Certificate client_certificate;
  SigningKey client_key;

  // The line, without a newline. Secret: it holds the shared secret and a private key.
  Secret encode() const;
  // Accepts surrounding white space. Code::malformed says whether the checksum failed (mistyped, cut) or the
  // content.
  static Result<Invitation> parse(ByteView line);
};

// MAC(secret, tag, x) of SPEC.md §5.3.
constexpr std::size_t kInvitationMacSize = std::tuple_size_v<Digest>;  // bytes
Digest invitation_mac(const Secret& secret, std::string_view tag, ByteView x);

}  // namespace coprotect::protocol
