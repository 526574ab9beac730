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
// Milliseconds of a clock that nobody sets.
std::int64_t steady_clock_ms();

// Something that the people of a tenant should hear of while they can still do something about it.
struct Notification {
  std::string event;  // "proposed", "announced", "vetoed", "activated", "left", "held", "released"
  std::string tenant;
  protocol::KeyId key_id;
  std::string text;  // one line
};

// Who may change the holders of a key, and when.
struct HandoverPolicy {
  std::int64_t delay_ms;  // between the announcement of a recovery administrator and what was announced
  bool announced;         // whether an announcement may stand for the approval of this agent's operator
  // Tells the contacts, without blocking; the future says whether they were told. Empty: nobody is to be
  // told.
  std::function<std::future<bool>(const Notification&)> notify;
};

// What may be asked for in one day (UTC), in requests. What recovers counts by itself.
struct RequestCaps {
  std::uint64_t per_key = 100'000;
  std::uint64_t per_client = 20'000;  // so that one client cannot use up its key's
  std::uint64_t recoveries_per_key = 100'000;
  std::uint64_t refreshes_per_key = 8;  // each makes the key's history longer for ever
  std::uint64_t voids_per_client = 16;  // of plans that the agent had not prepared: each uses up epochs
  bool operator==(const RequestCaps&) const = default;
};

// What the custodian is told by the agent's configuration.
struct Settings {
  std::string role;  // the party's name in ceremonies
  std::string url;
  protocol::Certificate identity_certificate;
  // Whose agent this is; without it, whoever's client CA the keys are made under.
  std::optional<protocol::OrganisationCertificate> organisation;
  std::filesystem::path folder;  // the agent's own
  std::filesystem::path state() const { return hsm::state_of(folder); }
  bool allow_recover;
  RequestCaps requests;
  // Whether this agent takes part in a key of which it alone would hold t shares.
  bool allow_sole_holder;
  // How many agents at most hold shares of a key that is made here, this one included.
  std::uint8_t agents_of_new_keys;
  HandoverPolicy handover;
  std::optional<DerivePolicy> derive;  // nobody, if there is none
  // The least time from a key list that destroys a key to the erasure of its shares.
  std::chrono::milliseconds destroy_wait = std::chrono::days(30);
  // How often peers are asked what they remember.
  std::chrono::milliseconds peers_every = std::chrono::minutes(1);
  std::function<std::int64_t()> now_ms = system_clock_ms;
  std::function<std::int64_t()> steady_ms = steady_clock_ms;
};

// Whether a party that stands for this agent is certified as it should be: by its own organisation's
// certificate, or, if it has none, by the tenant's client CA.
bool is_own_organisation(const Settings& settings, const protocol::Party& party,
                         const protocol::Certificate& client_ca);

}  // namespace coprotect::agent::custodian
