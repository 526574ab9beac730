#include "agent/custodian/keys.h"

#include <algorithm>
#include <mutex>

#include "agent/custodian/key_row.h"
#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {

using protocol::KeyId;

namespace {

// The columns that read() expects.
constexpr const char* kSelectAll =
    "SELECT key_id, sid, invitation, state, epoch, description, shares, recovery_blob, recovery_parts, "
    "decided, mac, acknowledgements FROM keys";
constexpr const char* kSelectOne =
    "SELECT key_id, sid, invitation, state, epoch, description, shares, recovery_blob, recovery_parts, "
    "decided, mac, acknowledgements FROM keys WHERE key_id=? AND epoch=?";

}  // namespace

hsm::ShareId Key::share_id(std::uint8_t index) const {
  return {tenant(), key_id(), parameters()->purpose, parameters()->suite, index, epoch()};
}

// A row as selected with kColumns, if its MAC verifies.
Result<Key> Keys::read(const Query& query) const {
  const KeyRow row{query.blob(0),    query.blob(1),    query.blob(2), query.integer(3),
                   query.integer(4), query.blob(5),    query.blob(6), query.blob(7),
                   query.blob(8),    query.integer(9), query.blob(11)};
  const std::string name = "store: the row of key " + to_hex(row.key_id);
  if (!equal_in_constant_time(keyring_.mac(row.authenticated()), query.blob(10)))
    return Error(Code::altered, name + " was altered: its MAC does not hold");
  auto key = row.parse(keyring_.identity().public_key());
  if (!key) return std::move(key).error().in(name);
  return key;
}

Bytes Keys::name_of(const Place& place) {
  Writer w;
  w.bytes(place.first).u32(place.second);
  return std::move(w).take();
}

Bytes Keys::mac_of(const Key& key) const {
  const Digest mac = keyring_.mac(KeyRow::of(key).authenticated());
  return {mac.begin(), mac.end()};
}

Status Keys::load(Transaction& transaction) {
  Query query = transaction.query(kSelectAll);
  return query.each([&]() -> Status {
    auto key = read(query);
    if (!key) return std::move(key).error();
    const std::pair place(key->key_id(), key->epoch());
    if (key->state == KeyState::active && active(key->key_id()) != nullptr)
      return Error(Code::altered, "store: the row of key " + to_hex(key->key_id()) +
                                      " is put back: the key is active in another epoch");
    transaction.rows().put(Table::keys, name_of(place), mac_of(*key));
    keys_.emplace(place, std::make_shared<const Key>(*std::move(key)));
    return Done{};
  });
}

Result<Key> Keys::stored(Transaction& transaction, const Key& key) const {
  Query query = transaction.query(kSelectOne);
  const auto found = query.bind(key.key_id()).bind(std::int64_t{key.epoch()}).step();
  if (!found) return found.error();
  if (!*found) return Error(Code::altered, "store: the row of key " + to_hex(key.key_id()) + " is gone");
  return read(query);
}

// Reads the disk: a row that this transaction removed is still in memory.
Status Keys::check_place(Transaction& transaction, const Key& key) {
  Query query = transaction.query("SELECT sid FROM keys WHERE key_id=? AND epoch=?");
  const auto found = query.bind(key.key_id()).bind(std::int64_t{key.epoch()}).step();
  if (!found) return found.error();
  if (!*found || std::ranges::equal(query.blob(0), key.sid())) return Done{};
  return Error(Code::conflict, "epoch " + std::to_string(key.epoch()) + " of key " + to_hex(key.key_id()) +
                                   " is of another handover here, and stays so");
}

Status Keys::put(Transaction& transaction, KeyPtr key) {
  if (auto known = check_authority(key->tenant(), key->client_ca()); !known) return known;
  if (auto free = check_place(transaction, *key); !free) return free;
  const KeyRow row = KeyRow::of(*key);
  // Otherwise what others dealt could prevent the next start for all tenants. Later states are parsed on
  // arrival.
  if (key->state == KeyState::prepared)
    if (auto readable = row.parse(keyring_.identity().public_key()); !readable)
      return std::move(readable).error().in("the prepared key could not be read again");
  const Digest mac = keyring_.mac(row.authenticated());
  const auto written =
      transaction
          .query(
              "INSERT INTO keys(key_id, sid, invitation, state, epoch, description, shares, recovery_blob, "
              "recovery_parts, decided, mac, acknowledgements) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON "
              "CONFLICT(key_id, "
              "epoch) DO UPDATE SET sid=excluded.sid, invitation=excluded.invitation, state=excluded.state, "
              "description=excluded.description, shares=excluded.shares, "
              "recovery_blob=excluded.recovery_blob, recovery_parts=excluded.recovery_parts, "
              "decided=excluded.decided, mac=excluded.mac, acknowledgements=excluded.acknowledgements")
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
          .bind(row.acknowledgements)
          .run(Rows::one);
  if (!written) return written;
  transaction.rows().put(Table::keys, name_of({key->key_id(), key->epoch()}), {mac.begin(), mac.end()});
  // A row that holds shares keeps its epoch. A row that no longer holds its shares ends its epoch.
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
                           .run(Rows::one);
  if (!removed) return removed;
  transaction.rows().remove(Table::keys, name_of(place));
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
  if (auto due = due_.add(transaction, {place.first, place.second}); !due) return due;
  transaction.after_commit([this] { note_epochs_due(); });
  return Done{};
}

std::vector<hsm::EpochId> Keys::epochs_due(const Transaction& transaction) const {
  std::vector<hsm::EpochId> due;
  // An epoch that a key still needs is not erased, whatever the list says.
  for (const hsm::EpochId& epoch : due_.all(transaction))
    if (!has_shares({epoch.key_id, epoch.epoch})) due.push_back(epoch);
  return due;
}

Status Keys::epoch_is_erased(Transaction& transaction, const hsm::EpochId& epoch) {
  return due_.remove(transaction, epoch);
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

std::vector<KeyPtr> Keys::all_in_state(const KeyId& key_id, KeyState state) const {
  const std::shared_lock lock(mutex_);
  std::vector<KeyPtr> found;
  for (auto row = keys_.lower_bound({key_id, 0}); row != keys_.end() && row->first.first == key_id; ++row)
    if (row->second->state == state) found.push_back(row->second);
  return found;
}

std::vector<KeyPtr> Keys::superseded(const KeyId& key_id) const {
  return all_in_state(key_id, KeyState::superseded);
}

std::vector<KeyPtr> Keys::shelved(const KeyId& key_id) const {
  return all_in_state(key_id, KeyState::shelved);
}

std::vector<KeyPtr> Keys::before(const Key& key) const {
  std::vector<KeyPtr> older = superseded(key.key_id());
  for (KeyPtr& taken_back : shelved(key.key_id()))
    if (taken_back->epoch() < key.epoch()) older.push_back(std::move(taken_back));
  return older;
}

std::uint32_t Keys::acknowledged(const KeyId& key_id) const {
  std::uint32_t newest = 0;
  if (const KeyPtr key = active(key_id)) newest = key->epoch();
  for (const KeyPtr& taken_back : shelved(key_id)) newest = std::max(newest, taken_back->epoch());
  return newest;
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

KeyPtr Keys::newest(const KeyId& key_id) const {
  return find([&](const Key& key) { return key.key_id() == key_id; });
}

KeyPtr Keys::with_sid(const protocol::Sid& sid) const {
  return find([&](const Key& key) { return key.sid() == sid; });
}

KeyPtr Keys::of_invitation(const protocol::InvitationId& invitation) const {
  return find([&](const Key& key) { return key.invitation == invitation && key.state != KeyState::shelved; });
}

KeyPtr Keys::published_of_tenant(std::string_view tenant) const {
  return find([&](const Key& key) {
    return key.state != KeyState::prepared && key.state != KeyState::superseded && key.tenant() == tenant;
  });
}

KeyPtr Keys::of_tenant(std::string_view tenant) const {
  if (KeyPtr key = published_of_tenant(tenant)) return key;
  return find([&](const Key& key) { return key.tenant() == tenant; });
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

std::vector<KeyPtr> Keys::all_rows() const {
  return all([](KeyState) { return true; });
}

bool Keys::empty() const {
  const std::shared_lock lock(mutex_);
  return keys_.empty();
}

Status Keys::check_authority(const std::string& tenant, const protocol::Certificate& client_ca) const {
  const KeyPtr known = published_of_tenant(tenant);
  if (known != nullptr && known->client_ca().der() != client_ca.der())
    return Error(Code::conflict,
                 "tenant \"" + tenant + "\" is not to be had at this agent with this client authority");
  return Done{};
}

}  // namespace coprotect::agent::custodian
