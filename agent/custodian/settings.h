#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <optional>
#include <string>

#include "agent/custodian/derive_policy.h"
#include "hsm/agent_folder.h"
#include "protocol/dkg/parameters.h"
#include "protocol/file/header.h"
#include "protocol/x509/certificate.h"

namespace coprotect::agent::custodian {

// Milliseconds since 1970.
std::int64_t system_clock_ms();
// Milliseconds of the monotonic clock.
std::int64_t steady_clock_ms();

// An event that a tenant's contacts should hear of while they can still act.
struct Notification {
  std::string event;  // "proposed", "announced", "vetoed", "activated", "left", "held", "released"
  std::string tenant;
  protocol::KeyId key_id;
  std::string text;  // one line
};

// Who may change the holders of a key, and when.
struct HandoverPolicy {
  std::int64_t delay_ms;  // from a recovery administrator's announcement to the announced change
  bool announced;         // whether an announcement may replace the approval of this agent's operator
  // Notifies the contacts without blocking; the future says whether that succeeded. Empty: there is nobody to
  // notify.
  std::function<std::future<bool>(const Notification&)> notify;
};

// Daily (UTC) limits, in requests. Recovery requests count separately.
struct RequestCaps {
  std::uint64_t per_key = 100'000;
  std::uint64_t per_client = 20'000;  // so that one client cannot use up its key's
  std::uint64_t recoveries_per_key = 100'000;
  std::uint64_t refreshes_per_key = 8;  // each permanently lengthens the key's history
  std::uint64_t voids_per_client = 16;  // of plans that the agent had not prepared: each uses up epochs
  bool operator==(const RequestCaps&) const = default;
};

// The custodian's part of the agent's configuration.
struct Settings {
  std::string role;  // the party's name in ceremonies
  std::string url;
  protocol::Certificate identity_certificate;
  // The organisation that owns this agent; if none, the one whose client CA the keys are made under.
  std::optional<protocol::OrganisationCertificate> organisation;
  std::filesystem::path folder;  // the agent's own
  std::filesystem::path state() const { return hsm::state_of(folder); }
  bool allow_recover;
  RequestCaps requests;
  // Whether this agent takes part in a key of which it alone would hold t shares.
  bool allow_sole_holder;
  // The most agents that may hold shares of a key made here, this one included.
  std::uint8_t agents_of_new_keys;
  HandoverPolicy handover;
  std::optional<DerivePolicy> derive;  // none: nobody may derive
  // The shortest time from a key list that destroys a key to the erasure of its shares.
  std::chrono::milliseconds destroy_wait = std::chrono::days(30);
  // How often peers are asked what they remember.
  std::chrono::milliseconds peers_every = std::chrono::minutes(1);
  std::function<std::int64_t()> now_ms = system_clock_ms;
  std::function<std::int64_t()> steady_ms = steady_clock_ms;
};

// Whether a party that represents this agent is certified correctly: by its own organisation's certificate
// or, without one, by the tenant's client CA.
bool is_own_organisation(const Settings& settings, const protocol::Party& party,
                         const protocol::Certificate& client_ca);

}  // namespace coprotect::agent::custodian
