#include "client/cli/openings.h"

#include <algorithm>
#include <limits>

#include "client/key_update.h"

namespace coprotect::client {
namespace {

using protocol::KeyId;
using protocol::KeyUse;

// The rank of a stanza, lowest first: keys in use in the list's order, then unlisted keys. The agents refuse
// the others and say why.
std::size_t rank(const KeyStore& store, const KeyId& key_id) {
  constexpr std::size_t kUnlisted = std::numeric_limits<std::size_t>::max() - 1;
  const auto* const entry = store.entry(key_id);
  if (entry == nullptr) return kUnlisted;
  if (entry->use == KeyUse::disabled || entry->use == KeyUse::destroyed) return kUnlisted + 1;
  return static_cast<std::size_t>(entry - store.list()->keys.data());
}

}  // namespace

Result<Openings> Openings::prepare(const Options& options, HeldBundle::Warn warn) {
  Openings openings;
  if (options.recover || options.bundle || options.key_id) {
    auto quorum = prepare_opening(options, std::move(warn));
    if (!quorum) return std::move(quorum).error();
    openings.single_.emplace(*std::move(quorum));
    return openings;
  }
  auto config = find_config(options);
  if (!config) return std::move(config).error();
  if (!*config) return Error(Code::not_found, "no configuration \"" + default_config_file().string() + "\"");
  auto store = open_key_store(**config);
  if (!store) return std::move(store).error();
  auto credentials = own_credentials(**config);
  if (!credentials) return std::move(credentials).error();
  // Without a list there is only the first key. If its purpose is wrong, the command fails.
  if (store->list() == nullptr)
    if (auto fits = check_purpose(store->first(), protocol::Purpose::envelope); !fits)
      return std::move(fits).error();
  openings.everyday_.emplace(
      Everyday{.options = options,
               .config = **std::move(config),
               .store = *std::move(store),
               .credentials = std::make_shared<const Credentials>(*std::move(credentials)),
               .warn = std::move(warn)});
  const Everyday& own = *openings.everyday_;
  if (auto via = find_via(options, own.config.via, own.store.first()); !via) return std::move(via).error();
  return openings;
}

Status Openings::update() {
  Everyday& own = *everyday_;
  if (!own.updated) {
    auto updated = update_keys(own.store, *own.credentials, own.config.deadline);
    if (updated && updated->disputed && own.warn) own.warn(*updated->disputed);
    own.updated = updated ? Status(Done{}) : Status(std::move(updated).error());
  }
  return *own.updated;
}

Result<Quorum*> Openings::quorum_of(const KeyId& key_id) {
  Everyday& own = *everyday_;
  if (const auto known = own.quorums.find(key_id); known != own.quorums.end()) return &known->second;
  auto bundle = own.store.bundle(key_id);
  if (!bundle) return std::move(bundle).error();
  if (auto fits = check_purpose(*bundle, protocol::Purpose::envelope); !fits) return std::move(fits).error();
  const HeldBundle held(*std::move(bundle), own.store.file_of(key_id), own.warn);
  auto quorum = everyday_quorum(held, own.credentials, own.options, own.config);
  if (!quorum) return std::move(quorum).error();
  return &own.quorums.emplace(key_id, *std::move(quorum)).first->second;
}

Result<Openings::Choice> Openings::choose_known(const protocol::Header& header) {
  std::vector<KeyId> keys;
  for (const auto& stanza : header.stanzas()) keys.push_back(stanza.key_id);
  std::ranges::stable_sort(keys, {}, [&](const KeyId& key_id) { return rank(everyday_->store, key_id); });
  Error why(Code::not_found, "encrypted for another key");
  for (const KeyId& key_id : keys) {
    auto quorum = quorum_of(key_id);
    if (quorum) return Choice{key_id, *quorum};
    if (quorum.error().code() != Code::not_found) why = std::move(quorum).error();
  }
  return why;
}

Result<Openings::Choice> Openings::choose(const protocol::Header& header) {
  if (single_) {
    const KeyId& key_id = single_->bundle().key_id();
    if (const auto stanza = header.stanza_for(key_id); !stanza) return stanza.error();
    return Choice{key_id, &*single_};
  }
  auto known = choose_known(header);
  if (known || known.error().code() != Code::not_found || everyday_->updated) return known;
  if (auto updated = update(); !updated)
    return std::move(updated).error().in("encrypted for a key that is not known here; key list");
  return choose_known(header);
}

}  // namespace coprotect::client
