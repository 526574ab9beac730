#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/custodian/custodian.h"
#include "agent/custodian/invitations.h"
#include "protocol/crypto/hash.h"
#include "protocol/file/utc_time.h"
#include "protocol/group/suite.h"

// What the custodian tells its own operator: the JSON that `coprotect-agent status` shows.
namespace coprotect::agent::custodian {
namespace {

using nlohmann::json;

json time_or_null(const std::optional<std::int64_t>& time_ms) {
  return time_ms ? json(protocol::format_utc_time(*time_ms)) : json();
}

std::string_view name_of(KeyState state) {
  switch (state) {
    case KeyState::prepared:
      return "prepared";
    case KeyState::active:
      return "active";
    case KeyState::superseded:
      return "superseded";
    case KeyState::left:
      return "left";
    case KeyState::shelved:
      return "shelved";
  }
  return "unknown";
}

// What people compare (provisioning/agent_identity.h).
std::string fingerprint_of(const protocol::VerifyKey& identity) {
  return to_hex(protocol::sha256(identity.bytes()));
}

json described_holder(const protocol::Party& party, bool self) {
  json holder = {
      {"party", party.name},
      {"self", self},
      {"agent", party.is_agent()},
      {"indices", party.indices},
      {"url", party.url},
      {"fingerprint", fingerprint_of(party.identity_key)},
      {"organisation", party.organisation.name()},
      {"organisation_fingerprint",
       to_hex(protocol::organisation_fingerprint(party.organisation.organisation_key()))},
  };
  if (party.identity_certificate)
    holder["certificate_ends"] = protocol::format_utc_time(party.identity_certificate->not_after_ms());
  return holder;
}

json described_limits(std::span<const LimitUse> limits) {
  json all = json::array();
  for (const LimitUse& limit : limits)
    all.push_back({{"at", limit.at},
                   {"name", limit.name},
                   {"limit", limit.limit},
                   {"use", limit.use},
                   {"hits", limit.hits}});
  return all;
}

}  // namespace

std::string Custodian::overview(std::span<const LimitUse> limits) {
  const auto facts = this->facts([](const Key&) { return true; });
  json keys = json::array();
  std::optional<std::int64_t> last_use_ms;
  std::map<std::string, KeyPtr> tenants;
  for (const KeyPtr& key : keys_.all_rows()) {
    tenants.insert_or_assign(key->tenant(), key);
    const auto& parameters = key->parameters();
    json holders = json::array();
    for (std::size_t i = 0; i < parameters->parties.size(); ++i)
      holders.push_back(described_holder(parameters->parties[i], i == key->self));
    const auto list = key_lists_.of_tenant(key->tenant());
    const auto* const entry = list == nullptr ? nullptr : list->list.find(key->key_id());
    json described = {
        {"key_id", to_hex(key->key_id())},
        {"tenant", key->tenant()},
        {"purpose", parameters->purpose == protocol::Purpose::envelope ? "files" : "derive"},
        {"suite", protocol::suite_name(parameters->suite)},
        {"epoch", key->epoch()},
        {"state", name_of(key->state)},
        {"key_list", entry == nullptr ? json() : json(protocol::key_use_name(entry->use))},
        {"threshold", parameters->t},
        {"holders", std::move(holders)},
    };
    if (key->state == KeyState::active) {
      const auto condition = conditions_.of(*key);
      described["last_drill"] = time_or_null(drills_.last_passed_ms(key->key_id()));
      described["recovery_parts_verified"] = time_or_null(condition.parts_verified_ms);
      described["recovery_code_opened"] = time_or_null(condition.code_opened_ms);
      described["last_use"] = json();
      const auto use = uses_.of(key->key_id());
      if (use) last_use_ms = std::max(use->last_ms, last_use_ms.value_or(use->last_ms));
      if (use)
        described["last_use"] = {{"time", protocol::format_utc_time(use->last_ms)},
                                 {"state", use->failure.empty() ? "ok" : "failing"},
                                 {"why", use->failure}};
    }
    keys.push_back(std::move(described));
  }

  json of_tenants = json::array();
  for (const auto& [name, key] : tenants) {
    const auto clients = clients_.of_tenant(name);
    const auto list = key_lists_.of_tenant(name);
    of_tenants.push_back({
        {"tenant", name},
        {"clients", clients == nullptr ? 0 : clients->list.clients.size()},
        {"client_list", clients == nullptr ? 0 : clients->list.serial},
        {"key_list", list == nullptr ? 0 : list->list.serial},
        {"client_ca_ends", protocol::format_utc_time(key->client_ca().not_after_ms())},
    });
  }

  json peers = json::array();
  for (const auto& peer : peers_.contacts())
    peers.push_back({{"party", peer.name},
                     {"url", peer.url},
                     {"fingerprint", fingerprint_of(peer.identity)},
                     {"heard", time_or_null(peer.heard_ms)}});

  json invitations = json::array();
  const std::int64_t now_ms = settings_.now_ms();
  for (const auto& [id, found] : Invitations(settings_.state() / "invitations", keyring_).all()) {
    if (keys_.of_invitation(id) != nullptr || (found && found->expires_ms < now_ms)) continue;
    invitations.push_back({{"invitation", to_hex(id)},
                           {"tenant", found ? json(found->tenant) : json()},
                           {"ends", found ? time_or_null(found->expires_ms) : json()},
                           {"problem", found ? "" : found.error().message()}});
  }

  const auto hang = keeper_->hang();
  const json overview = {
      {"time", protocol::format_utc_time(now_ms)},
      {"version", COPROTECT_VERSION},
      {"role", settings_.role},
      {"url", settings_.url},
      {"store", facts.store},
      {"log", facts.log},
      {"recovery", facts.recovery},
      {"contacts", facts.contacts},
      {"erasure", facts.erasure},
      {"held", facts.held},
      {"backup", facts.backup},
      {"token",
       {{"state", hang ? hang->error.message() : "ok"},
        {"files", keeper_->token_notice()},
        {"last_use", time_or_null(last_use_ms)}}},
      {"tenants", std::move(of_tenants)},
      {"keys", std::move(keys)},
      {"peers", std::move(peers)},
      {"invitations", std::move(invitations)},
      {"limits", described_limits(limits)},
  };
  return overview.dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace coprotect::agent::custodian
