#pragma once

#include <optional>
#include <string>

#include "protocol/crypto/ecdsa.h"
#include "protocol/dkg/organisation.h"
#include "protocol/x509/certificate.h"

namespace coprotect::protocol {

using InvitationId = ByteArray<8>;

// One line that an agent's operator gives to the company's administrator (SPEC.md §5.3).
struct Invitation {
  std::string role;
  std::string url;
  Certificate identity_certificate;
  // The organisation that runs the agent. If absent, the agent is the company's, and the tool certifies it
  // with the client CA.
  std::optional<OrganisationCertificate> organisation;
  InvitationId id;
  Secret secret;  // 16 bytes
  std::int64_t expires_ms;
  std::string tenant;  // the only tenant for which it is valid; empty: any
  Certificate client_certificate;
  SigningKey client_key;

  // The line, without a newline. It is secret: it contains the shared secret and a private key.
  Secret encode() const;
  // Accepts surrounding white space. Code::malformed says whether the checksum failed (mistyped or truncated)
  // or the content is invalid.
  static Result<Invitation> parse(ByteView line);
};

// MAC(secret, tag, x) of SPEC.md §5.3.
constexpr std::size_t kInvitationMacSize = std::tuple_size_v<Digest>;  // bytes
Digest invitation_mac(const Secret& secret, std::string_view tag, ByteView x);

}  // namespace coprotect::protocol
