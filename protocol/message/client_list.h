#pragma once

#include <map>
#include <string>

#include "protocol/x509/certificate.h"

namespace coprotect::protocol {

// The enrolled clients of a tenant, signed by its client CA (SPEC.md §7.4).
struct ClientList {
  static constexpr std::size_t kMaxClients = 16'384;
  std::string tenant;
  std::uint64_t serial;
  std::int64_t time_ms;
  std::map<Digest, std::string> clients;  // SHA-256(SubjectPublicKeyInfo) → identity URI; at most kMaxClients

  Bytes sign(const SigningKey& ca_key) const;
  // Checks the form, and the signature under the CA's key.
  static Result<ClientList> parse(ByteView encoded, const Certificate& ca);
};

}  // namespace coprotect::protocol
