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

// A tenant's client CA with a new key. It lives as long as the tenant's keys.
Result<Credential> new_client_ca(const std::string& tenant, std::int64_t now_ms, Random& random);
std::int64_t client_ca_end_ms(std::int64_t now_ms);

// A client with a new key: its identity URI first, then its groups'.
Result<Credential> new_client(const std::vector<std::string>& uris, std::int64_t not_after_ms,
                              const protocol::Certificate& ca, const protocol::SigningKey& ca_key,
                              std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
