#include "client/key_store.h"

#include <algorithm>

#include "client/enrolment.h"
#include "client/files/output_file.h"
#include "client/files/small_file.h"
#include "protocol/handover/quorums.h"
#include "protocol/message/list_serial.h"

namespace coprotect::client {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;
using protocol::KeyId;
using protocol::KeyList;

constexpr std::size_t kMaxList = std::size_t{4} << 20;
constexpr mode_t kPublicMode = 0644;

Status write_file(const fs::path& file, ByteView content) {
  auto output = OutputFile::create(file, true, kPublicMode);
  if (!output) return std::move(output).error();
  if (auto written = write_all(output->fd(), content); !written)
    return std::move(written).error().in("\"" + file.string() + "\"");
  return output->commit();
}

bool has_agent(const Bundle& bundle, const protocol::Party& agent) {
  return std::ranges::any_of(bundle.parameters()->parties, [&](const protocol::Party& party) {
    return party.is_agent() && party.identity_key == agent.identity_key;
  });
}

}  // namespace

KeyStore::KeyStore(const Config& config, Bundle first)
    : folder_(config.file.parent_path()),
      first_file_(config.bundle),
      configured_(config.keys),
      first_id_(first.key_id()) {
  bundles_.emplace(first_id_, std::move(first));
}

Result<KeyStore> KeyStore::open(const Config& config, Bundle first) {
  KeyStore store(config, std::move(first));
  auto kept = read_small_file(store.list_file(), kMaxList);
  if (!kept && kept.error().code() == Code::not_found) return store;
  if (!kept) return std::move(kept).error();
  auto list = store.parse(*kept);
  if (!list) return Error(Code::altered, list.error().message()).in("\"" + store.list_file().string() + "\"");
  store.list_ = *std::move(list);
  store.encoded_list_ = *std::move(kept);
  return store;
}

const KeyList::Entry* KeyStore::entry(const KeyId& key_id) const {
  return list_ ? list_->find(key_id) : nullptr;
}

std::filesystem::path KeyStore::file_of(const KeyId& key_id) const {
  if (key_id == first_id_) return first_file_;
  const auto configured =
      std::ranges::find(configured_, key_id, [](const auto& key) { return key.second.key_id; });
  return configured != configured_.end() ? configured->second.bundle : bundle_file(key_id);
}

Result<Bundle> KeyStore::bundle(const KeyId& key_id) {
  if (const auto known = bundles_.find(key_id); known != bundles_.end()) return known->second;
  auto bundle = load_bundle(file_of(key_id), key_id);
  if (bundle) bundles_.emplace(key_id, *bundle);
  return bundle;
}

Result<KeyId> KeyStore::encrypting() const {
  if (!list_) return first_id_;
  if (const auto* const entry = list_->encrypting()) return entry->key_id;
  return Error(Code::denied, "no key of \"" + first().tenant() + "\" encrypts at present");
}

Result<KeyList> KeyStore::parse(ByteView encoded) const {
  auto list = KeyList::parse(encoded, first().parameters()->client_ca);
  if (list && list->tenant != first().tenant())
    return Error(Code::unauthenticated, "key list: of another tenant");
  return list;
}

// The CA alone could name any key. A thief of its key must not be able to move clients to agents of his own.
Result<Bundle> KeyStore::check(const KeyId& key_id, ByteView encoded) const {
  auto bundle = Bundle::parse(encoded);
  if (!bundle) return bundle;
  const auto refused = [&](std::string_view what) {
    return Error(Code::unauthenticated, "bundle of key " + to_hex(key_id) + ": " + std::string(what));
  };
  if (bundle->key_id() != key_id) return refused("of another key");
  if (bundle->tenant() != first().tenant()) return refused("of another tenant");
  if (bundle->parameters()->client_ca.der() != first().parameters()->client_ca.der())
    return refused("under another client CA");
  const auto& parties = bundle->parameters()->parties;
  const bool same_agents = std::ranges::all_of(
      parties, [&](const protocol::Party& party) { return !party.is_agent() || has_agent(first(), party); });
  if (!same_agents) return refused("held by agents that hold no key that is known here");
  return bundle;
}

// Nor may a thief who also has one agent. A key of only some agents may be intended, but a list cannot say
// so.
Status KeyStore::check_encrypts_like_first(const Bundle& bundle) const {
  const KeyId key_id = bundle.key_id();
  const bool configured =
      std::ranges::any_of(configured_, [&](const auto& key) { return key.second.key_id == key_id; });
  if (key_id == first_id_ || configured) return Done{};
  const auto refused = [&](const std::string& what) {
    return Error(Code::denied, "key " + to_hex(key_id) + " is to encrypt, says the key list, but " + what +
                                   ": if that is meant, name its bundle in the configuration");
  };
  for (const protocol::Party& party : first().parameters()->parties)
    if (party.is_agent() && !has_agent(bundle, party))
      return refused("the " + party.name + " agent has no share of it");
  const auto change = protocol::quorum_change(protocol::PartShares::of(first().parameters()),
                                              protocol::PartShares::of(bundle.parameters()));
  if (!change.gained.empty()) return refused("fewer organisations can use it than the first key");
  return Done{};
}

Status KeyStore::keep(Bundle bundle) {
  const KeyId key_id = bundle.key_id();
  const Bytes encoded = bundle.encoded();
  bundles_.insert_or_assign(key_id, std::move(bundle));
  std::error_code error;
  fs::create_directories(folder_ / "keys", error);
  if (error)
    return Error(Code::unavailable,
                 "\"" + (folder_ / "keys").string() + "\" cannot be made: " + error.message());
  return write_file(bundle_file(key_id), encoded);
}

Status KeyStore::keep(ByteView encoded, std::int64_t now_ms) {
  auto list = parse(encoded);
  if (!list) return std::move(list).error();
  const bool known = std::ranges::equal(encoded, encoded_list_);
  if (list_ && !known && list->serial <= list_->serial)
    return Error(Code::conflict, "key list: serial " + std::to_string(list->serial) +
                                     (list->serial == list_->serial
                                          ? " is another list than the known one"
                                          : " is older than the known " + std::to_string(list_->serial)));
  if (!known)
    if (auto follows = protocol::check_serial("key list", list_ ? list_->serial : 0, list->serial, now_ms);
        !follows)
      return follows;
  list_ = *std::move(list);
  encoded_list_.assign(encoded.begin(), encoded.end());
  return known ? Status(Done{}) : write_file(list_file(), encoded);
}

}  // namespace coprotect::client
