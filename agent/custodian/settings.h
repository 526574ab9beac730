#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "agent/custodian/derive_policy.h"
#include "protocol/x509/certificate.h"

namespace coprotect::agent::custodian {

// Milliseconds since 1970.
std::int64_t system_clock_ms();

// What the custodian is told by the agent's configuration.
struct Settings {
  std::string role;  // the party's name in ceremonies
  std::string url;
  protocol::Certificate identity_certificate;
  std::filesystem::path state;  // folder of store.db and invitations/
  bool allow_recover;
  std::uint64_t requests_per_key_per_day;
  std::optional<DerivePolicy> derive;  // nobody, if there is none
  // The least time from a key list that destroys a key to the erasure of its shares.
  std::chrono::milliseconds destroy_wait = std::chrono::days(30);
  std::function<std::int64_t()> now_ms = system_clock_ms;
};

}  // namespace coprotect::agent::custodian
