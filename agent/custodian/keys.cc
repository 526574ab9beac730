#include "agent/custodian/keys.h"

#include <algorithm>
#include <mutex>

#include "agent/custodian/key_row.h"

namespace coprotect::agent::custodian {

using protocol::KeyId;

hsm::ShareId Key::share_id(std::uint8_t index) const {
  return {tenant(), key_id(), parameters()->purpose, parameters()->suite, index, epoch()};
}

Status Keys::load(Transaction& transaction) {
  Query query = transaction.query(
      "SELECT key_id, sid, invitation, state, epoch, description, shares, recovery_blob, recovery_parts, "
      "decided, mac FROM keys");
  return query.each([&]() -> Status {
    const KeyRow row{query.blob(0), query.blob(1), query.blob(2), query.integer(3), query.integer(4),
                     query.blob(5), query.blob(6), query.blob(7), query.blob(8),    query.integer(9)};
    const std::string name = "store: the row of key " + to_hex(row.key_id);
    if (!equal_in_constant_time(keyring_.mac(row.authenticated()), query.blob(10)))
      return Error(Code::altered, name + " was altered: its MAC does not hold");
    auto key = row.parse(keyring_.identity().public_key());
    if (!key) return std::move(key).error().in(name);
    const std::pair place(key->key_id(), key->epoch());
    if (key->state == KeyState::active && active(key->key_id()) != nullptr)
      return Error(Code::altered, name + " is put back: the key is active in another epoch");
    keys_.emplace(place, std::make_shared<const Key>(*std::move(key)));
    return Done{};
  });
}

Status Keys::put(Transaction& transaction, KeyPtr key) {
  if (auto known = check_authority(key->tenant(), key->client_ca()); !known) return known;
  const KeyRow row = KeyRow::of(*key);
  const Digest mac = keyring_.mac(row.authenticated());
  const auto written =
      transaction
          .query(
              "INSERT INTO keys(key_id, sid, invitation, state, epoch, description, shares, recovery_blob, "
              "recovery_parts, decided, mac) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(key_id, "
              "epoch) DO UPDATE SET sid=excluded.sid, invitation=excluded.invitation, state=excluded.state, "
              "description=excluded.description, shares=excluded.shares, "
              "recovery_blob=excluded.recovery_blob, recovery_parts=excluded.recovery_parts, "
              "decided=excluded.decided, mac=excluded.mac")
          .bind(row.key_id)
          .bind(row.sid)
          .bind(row.invitation)
          .bind(row.state)
          .bind(row.epoch)
          .bind(row.description)
          .bind(row.shares)
          .bind(row.recovery_blob)
          .bind(row.recovery_parts)
          .bind(row.decided)
          .bind(mac)
          .run();
  if (!written) return written;
  // A row that holds shares keeps its epoch; one that held some, and does not any more, ends it.
  const std::pair place(key->key_id(), key->epoch());
  if (!key->shares.empty()) {
    if (auto kept = epoch_is_erased(transaction, {place.first, place.second}); !kept) return kept;
  } else if (has_shares(place)) {
    if (auto due = end_epoch(transaction, place); !due) return due;
  }
  transaction.after_commit([this, key = std::move(key)] {
    const std::unique_lock lock(mutex_);
    keys_.insert_or_assign({key->key_id(), key->epoch()}, key);
  });
  return Done{};
}

Status Keys::remove(Transaction& transaction, const Key& key) {
  const std::pair place(key.key_id(), key.epoch());
  const auto removed = transaction.query("DELETE FROM keys WHERE key_id=? AND epoch=?")
                           .bind(place.first)
                           .bind(std::int64_t{place.second})
                           .run();
  if (!removed) return removed;
  if (auto due = end_epoch(transaction, place); !due) return due;
  transaction.after_commit([this, place] {
    const std::unique_lock lock(mutex_);
    keys_.erase(place);
  });
  return Done{};
}

bool Keys::has_shares(const Place& place) const {
  const std::shared_lock lock(mutex_);
  const auto found = keys_.find(place);
  return found != keys_.end() && !found->second->shares.empty();
}

Status Keys::end_epoch(Transaction& transaction, const Place& place) {
  auto written = transaction.query("INSERT OR IGNORE INTO erasures(key_id, epoch) VALUES(?, ?)")
                     .bind(place.first)
                     .bind(std::int64_t{place.second})
                     .run();
  if (!written) return written;
  transaction.after_commit([this] { note_epochs_due(); });
  return Done{};
}

Result<std::vector<hsm::EpochId>> Keys::epochs_due(Transaction& transaction) const {
  std::vector<hsm::EpochId> due;
  Query query = transaction.query("SELECT key_id, epoch FROM erasures");
  auto read = query.each([&]() -> Status {
    const Bytes key_id = query.blob(0);
    hsm::EpochId epoch{.key_id = {}, .epoch = static_cast<std::uint32_t>(query.integer(1))};
    if (key_id.size() != epoch.key_id.size()) return Error(Code::altered, "store: not an epoch to be erased");
    std::copy(key_id.begin(), key_id.end(), epoch.key_id.begin());
    // The rows of keys carry a MAC, and these do not: what a key still needs is not erased.
    if (!has_shares({epoch.key_id, epoch.epoch})) due.push_back(epoch);
    return Done{};
  });
  if (!read) return std::move(read).error();
  return due;
}

Status Keys::epoch_is_erased(Transaction& transaction, const hsm::EpochId& epoch) {
  return transaction.query("DELETE FROM erasures WHERE key_id=? AND epoch=?")
      .bind(epoch.key_id)
      .bind(std::int64_t{epoch.epoch})
      .run();
}

template <typename Predicate>
KeyPtr Keys::find(Predicate predicate) const {
  const std::shared_lock lock(mutex_);
  KeyPtr newest;
  for (const auto& [place, key] : keys_)
    if (predicate(*key) && (newest == nullptr || key->epoch() > newest->epoch())) newest = key;
  return newest;
}

KeyPtr Keys::in_state(const KeyId& key_id, KeyState state) const {
  const std::shared_lock lock(mutex_);
  KeyPtr newest;
  for (auto row = keys_.lower_bound({key_id, 0}); row != keys_.end() && row->first.first == key_id; ++row)
    if (row->second->state == state) newest = row->second;
  return newest;
}

KeyPtr Keys::active(const KeyId& key_id) const {
  return in_state(key_id, KeyState::active);
}

KeyPtr Keys::prepared(const KeyId& key_id) const {
  return in_state(key_id, KeyState::prepared);
}

std::vector<KeyPtr> Keys::superseded(const KeyId& key_id) const {
  const std::shared_lock lock(mutex_);
  std::vector<KeyPtr> older;
  for (auto row = keys_.lower_bound({key_id, 0}); row != keys_.end() && row->first.first == key_id; ++row)
    if (row->second->state == KeyState::superseded) older.push_back(row->second);
  return older;
}

KeyPtr Keys::serving(const KeyId& key_id, std::uint32_t epoch) const {
  for (KeyPtr& older : superseded(key_id))
    if (older->epoch() == epoch) return std::move(older);
  return active(key_id);
}

KeyPtr Keys::published(const KeyId& key_id) const {
  if (const auto older = superseded(key_id); !older.empty()) return older.front();
  if (KeyPtr key = active(key_id)) return key;
  return left(key_id);
}

KeyPtr Keys::left(const KeyId& key_id) const {
  return active(key_id) == nullptr ? in_state(key_id, KeyState::left) : nullptr;
}

KeyPtr Keys::with_sid(const protocol::Sid& sid) const {
  return find([&](const Key& key) { return key.sid() == sid; });
}

KeyPtr Keys::of_invitation(const protocol::InvitationId& invitation) const {
  return find([&](const Key& key) { return key.invitation == invitation; });
}

KeyPtr Keys::of_tenant(std::string_view tenant) const {
  return find([&](const Key& key) {
    return (key.state == KeyState::active || key.state == KeyState::left) && key.tenant() == tenant;
  });
}

std::vector<KeyPtr> Keys::all(bool (*fits)(KeyState)) const {
  const std::shared_lock lock(mutex_);
  std::vector<KeyPtr> found;
  for (const auto& [place, key] : keys_)
    if (fits(key->state)) found.push_back(key);
  return found;
}

std::vector<KeyPtr> Keys::all_active() const {
  return all([](KeyState state) { return state == KeyState::active; });
}

std::vector<KeyPtr> Keys::all_with_shares() const {
  auto found = all([](KeyState) { return true; });
  std::erase_if(found, [](const KeyPtr& key) { return key->shares.empty(); });
  return found;
}

std::vector<KeyPtr> Keys::all_published() const {
  return all([](KeyState state) { return state != KeyState::prepared; });
}

bool Keys::empty() const {
  const std::shared_lock lock(mutex_);
  return keys_.empty();
}

Status Keys::check_authority(const std::string& tenant, const protocol::Certificate& client_ca) const {
  const KeyPtr known = of_tenant(tenant);
  if (known != nullptr && known->client_ca().der() != client_ca.der())
    return Error(Code::conflict,
                 "tenant \"" + tenant + "\" is not to be had at this agent with this client authority");
  return Done{};
}

}  // namespace coprotect::agent::custodian
