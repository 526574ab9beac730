#include "client/key_update.h"

#include <algorithm>

#include "client/agents.h"
#include "client/bundle_update.h"
#include "protocol/message/list_serial.h"

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
      if (party.is_agent()) {
        links_.push_back(connect(party, credentials, deadline));
        identities_.push_back(party.identity_key.bytes());
      }
  }

  // The newest list. Nothing if the agents that answer have none. Sets `disputed` if two have its number.
  Result<std::optional<Bytes>> newest_list(std::optional<Error>& disputed) {
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
      if (!encoded) {
        answered = true;
        continue;
      }
      const auto list = store_.parse(*encoded);
      if (!list) {
        why = Error(list.error()).in(link.endpoint().party + " agent");
        continue;
      }
      // No agent accepts such a list. The other agents' lists count.
      if (protocol::serial_is_ahead(list->serial, now_ms())) {
        why = protocol::check_serial(link.endpoint().party + " agent's key list", 0, list->serial, now_ms())
                  .error();
        continue;
      }
      answered = true;
      if (newest && list->serial == serial && *newest != *encoded)
        disputed = Error(Code::conflict, "the agents have different key lists with serial " +
                                             std::to_string(serial) + ": the keys stay as they were here");
      if (newest && list->serial <= serial) continue;
      disputed.reset();
      serial = list->serial;
      newest = *std::move(encoded);
    }
    if (!answered) return why;
    return newest;
  }

  // first_bundle() of what they show. The key's users continue from it.
  Result<Bundle> bundle(const KeyId& key_id) {
    std::vector<ShownBundle> shown;
    Error why(Code::unavailable, "the key has no agents");
    for (std::size_t i = 0; i < links_.size(); ++i) {
      const auto encoded = links_[i].get("/v1/keys/" + to_hex(key_id));
      auto bundle = encoded ? store_.check(key_id, *encoded) : Result<Bundle>(encoded.error());
      if (bundle)
        shown.push_back({.agent = identities_[i], .bundle = *std::move(bundle)});
      else
        why = encoded ? std::move(bundle).error().in(links_[i].endpoint().party + " agent")
                      : std::move(bundle).error();
    }
    if (shown.empty()) return why;
    return store_.check(key_id, first_bundle(shown).encoded());
  }

 private:
  const KeyStore& store_;
  std::vector<AgentClient> links_;
  std::vector<protocol::PublicKeyBytes> identities_;
};

}  // namespace

Result<KeyUpdate> update_keys(KeyStore& store, const Credentials& credentials,
                              std::chrono::milliseconds deadline) {
  AgentsOfFirstKey agents(store, credentials, deadline);
  KeyUpdate update;
  auto encoded = agents.newest_list(update.disputed);
  if (!encoded) return std::move(encoded).error();
  if (!update.disputed && !*encoded) {
    if (store.list() == nullptr) return update;
    return Error(Code::conflict, "no agent that answers has a key list, but one is known here");
  }
  const std::uint64_t present = store.list() == nullptr ? 0 : store.list()->serial;
  if (!update.disputed) {
    const auto told = store.parse(**encoded);
    if (!told) return told.error();
    if (told->serial < present)
      return Error(Code::conflict, "the agents that answer have an older key list (serial " +
                                       std::to_string(told->serial) + ") than this client (serial " +
                                       std::to_string(present) +
                                       "): unless they lie, somebody else signed this one; without \"" +
                                       store.first().tenant() +
                                       ".keys\" beside the configuration it counts "
                                       "no longer");
    // Under the known number, only the same list is accepted.
    if (told->serial == present && store.list() != nullptr)
      if (auto same = store.keep(**encoded, now_ms()); !same && same.error().code() == Code::conflict)
        update.disputed = std::move(same).error();
  }
  if (update.disputed && store.list() == nullptr) return update;
  const auto list = update.disputed ? Result<KeyList>(*store.list()) : store.parse(**encoded);
  if (!list) return list.error();

  std::vector<Bundle> bundles;
  for (const KeyList::Entry& entry : list->keys) {
    if (entry.use == protocol::KeyUse::destroyed || store.bundle(entry.key_id)) continue;
    auto bundle = agents.bundle(entry.key_id);
    if (!bundle && (entry.use == protocol::KeyUse::encrypts || bundle.error().code() == Code::unavailable))
      return std::move(bundle).error();
    if (!bundle) {
      update.missing.emplace_back(entry.key_id, std::move(bundle).error());
      continue;
    }
    update.learnt.push_back(entry.key_id);
    bundles.push_back(*std::move(bundle));
  }
  // Otherwise the list and the encrypting key stay as they are.
  if (const KeyList::Entry* const encrypts = list->encrypting()) {
    const auto learnt = std::ranges::find(bundles, encrypts->key_id, &Bundle::key_id);
    const auto bundle = learnt != bundles.end() ? Result<Bundle>(*learnt) : store.bundle(encrypts->key_id);
    if (!bundle) return bundle.error();
    if (auto held = store.check_encrypts_like_first(*bundle); !held) return std::move(held).error();
  }
  update.newer_list = store.list() == nullptr || list->serial > present;
  // The list comes last, so that every bundle that it needs is already stored.
  for (Bundle& bundle : bundles)
    if (auto kept = store.keep(std::move(bundle)); !kept && !update.not_kept)
      update.not_kept = std::move(kept).error();
  if (update.disputed) return update;
  auto kept = store.keep(**encoded, now_ms());
  if (!kept && kept.error().code() == Code::conflict) return std::move(kept).error();
  if (!kept && !update.not_kept) update.not_kept = std::move(kept).error();
  return update;
}

}  // namespace coprotect::client
