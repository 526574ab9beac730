#include "client/key_update.h"

#include <algorithm>

#include "client/agents.h"

namespace coprotect::client {
namespace {

using protocol::Bundle;
using protocol::KeyId;
using protocol::KeyList;

// The agents of the first key, asked one after another.
class AgentsOfFirstKey {
 public:
  AgentsOfFirstKey(const KeyStore& store, const Credentials& credentials, std::chrono::milliseconds deadline)
      : store_(store) {
    for (const protocol::Party& party : store.first().parameters()->parties)
      if (party.is_agent()) links_.push_back(connect(party, credentials, deadline));
  }

  // The newest list; nothing if those that answer have none.
  Result<std::optional<Bytes>> newest_list() {
    std::optional<Bytes> newest;
    std::uint64_t serial = 0;
    bool answered = false;
    Error why(Code::unavailable, "the key has no agents");
    for (AgentClient& link : links_) {
      auto encoded = link.get("/v1/tenants/" + store_.first().tenant() + "/keys");
      if (!encoded && encoded.error().code() != Code::not_found) {
        why = std::move(encoded).error();
        continue;
      }
      answered = true;
      if (!encoded) continue;
      const auto list = store_.parse(*encoded);
      if (!list) return Error(list.error()).in(link.endpoint().party + " agent");
      if (newest && list->serial == serial && *newest != *encoded)
        return Error(Code::conflict,
                     "the agents have different key lists with serial " + std::to_string(serial));
      if (newest && list->serial <= serial) continue;
      serial = list->serial;
      newest = *std::move(encoded);
    }
    if (!answered) return why;
    return newest;
  }

  // From whichever agent gives one that holds.
  Result<Bundle> bundle(const KeyId& key_id) {
    Error why(Code::unavailable, "the key has no agents");
    for (AgentClient& link : links_) {
      const auto encoded = link.get("/v1/keys/" + to_hex(key_id));
      auto bundle = encoded ? store_.check(key_id, *encoded) : Result<Bundle>(encoded.error());
      if (bundle) return bundle;
      why = encoded ? std::move(bundle).error().in(link.endpoint().party + " agent")
                    : std::move(bundle).error();
    }
    return why;
  }

 private:
  const KeyStore& store_;
  std::vector<AgentClient> links_;
};

}  // namespace

Result<KeyUpdate> update_keys(KeyStore& store, const Credentials& credentials,
                              std::chrono::milliseconds deadline) {
  AgentsOfFirstKey agents(store, credentials, deadline);
  auto encoded = agents.newest_list();
  if (!encoded) return std::move(encoded).error();
  KeyUpdate update;
  if (!*encoded) {
    if (store.list() == nullptr) return update;
    return Error(Code::conflict, "no agent that answers has a key list, but one is known here");
  }
  const auto list = store.parse(**encoded);
  if (!list) return list.error();
  if (store.list() != nullptr && list->serial < store.list()->serial)
    return Error(Code::conflict, "the agents that answer have an older key list (serial " +
                                     std::to_string(list->serial) + ") than this client (serial " +
                                     std::to_string(store.list()->serial) + ")");

  std::vector<Bundle> bundles;
  for (const KeyList::Entry& entry : list->keys) {
    if (entry.use == protocol::KeyUse::destroyed || store.bundle(entry.key_id)) continue;
    auto bundle = agents.bundle(entry.key_id);
    if (!bundle) return std::move(bundle).error();
    update.learnt.push_back(entry.key_id);
    bundles.push_back(*std::move(bundle));
  }
  update.newer_list = store.list() == nullptr || list->serial > store.list()->serial;
  // The list last: once it lies there, every bundle that it needs does.
  for (Bundle& bundle : bundles)
    if (auto kept = store.keep(std::move(bundle)); !kept && !update.not_kept)
      update.not_kept = std::move(kept).error();
  auto kept = store.keep(**encoded);
  if (!kept && kept.error().code() == Code::conflict) return std::move(kept).error();
  if (!kept && !update.not_kept) update.not_kept = std::move(kept).error();
  return update;
}

}  // namespace coprotect::client
