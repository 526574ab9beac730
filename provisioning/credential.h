#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/x509/certificate.h"

namespace coprotect::provisioning {

// A key pair with its certificate.
struct Credential {
  protocol::SigningKey key;
  protocol::Certificate certificate;
};

// A tenant's client CA with a new key. It is valid as long as the tenant's keys.
Result<Credential> new_client_ca(const std::string& tenant, std::int64_t now_ms, Random& random);
std::int64_t client_ca_end_ms(std::int64_t now_ms);

// When a certificate issued now for a kit's recovery administrator expires: in five years, or with the CA.
// Drills and new codes renew it.
std::int64_t recovery_end_ms(const protocol::Certificate& ca, std::int64_t now_ms);
// The same administrator with the same key for another five years. Its entry on the client list stays valid.
Result<protocol::Certificate> renewed_recovery(const protocol::Certificate& certificate,
                                               const protocol::Certificate& ca,
                                               const protocol::SigningKey& ca_key, std::int64_t now_ms,
                                               Random& random);

// A client with a new key. The first URI is its identity, the others are its groups.
Result<Credential> new_client(const std::vector<std::string>& uris, std::int64_t not_after_ms,
                              const protocol::Certificate& ca, const protocol::SigningKey& ca_key,
                              std::int64_t now_ms, Random& random);
// Valid for an hour. It proves to agents that the tool has the client CA's key. They then send it the present
// lists, regardless of who is on them.
Result<Credential> new_session(const std::string& tenant, const protocol::Certificate& ca,
                               const protocol::SigningKey& ca_key, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
