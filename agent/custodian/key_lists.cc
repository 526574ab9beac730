#include "agent/custodian/key_lists.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {

using protocol::KeyList;
using protocol::KeyUse;
using protocol::Operation;

namespace {

std::string named(const KeyList::Entry& entry) {
  return "key " + to_hex(entry.key_id);
}

// A list's entries, found in a time that does not grow with its length.
class EntriesByKey {
 public:
  // A null pointer is a list of no keys. The list outlives this.
  explicit EntriesByKey(const KeyList* list) {
    if (list == nullptr) return;
    for (const KeyList::Entry& entry : list->keys) entries_.emplace(entry.key_id, &entry);
  }
  const KeyList::Entry* find(const protocol::KeyId& key_id) const {
    const auto found = entries_.find(key_id);
    return found == entries_.end() ? nullptr : found->second;
  }

 private:
  std::map<protocol::KeyId, const KeyList::Entry*> entries_;
};

std::string list_of(const KeyList& list) {
  return "key list of tenant \"" + list.tenant + "\": ";
}

}  // namespace

Digest KeyLists::mac(std::string_view tenant, ByteView list) const {
  Writer w;
  w.literal("CPV1-ROW-KEYS").lp(tenant).lp4(list);
  return keyring_.mac(w.view());
}

Digest KeyLists::mac(const protocol::KeyId& key_id, const Destruction& destruction) const {
  Writer w;
  w.literal("CPV1-ROW-DESTRUCTION").bytes(key_id);
  w.u64(static_cast<std::uint64_t>(destruction.effective_ms));
  w.u64(static_cast<std::uint64_t>(destruction.running_ms));
  return keyring_.mac(w.view());
}

Status KeyLists::load_destructions(Transaction& transaction) {
  Query query = transaction.query("SELECT key_id, effective_ms, running_ms, mac FROM destructions");
  return query.each([&]() -> Status {
    const Bytes bytes = query.blob(0);
    const Destruction destruction{.effective_ms = query.integer(1), .running_ms = query.integer(2)};
    protocol::KeyId key_id{};
    if (bytes.size() == key_id.size()) std::copy(bytes.begin(), bytes.end(), key_id.begin());
    if (bytes.size() != key_id.size() || !equal_in_constant_time(mac(key_id, destruction), query.blob(3)))
      return Error(Code::altered, "store: the waiting time of the destruction of key " + to_hex(bytes) +
                                      " was altered: its MAC does not hold");
    transaction.rows().put(Table::destructions, bytes, query.blob(3));
    destructions_.insert_or_assign(key_id, destruction);
    return Done{};
  });
}

Status KeyLists::load(Transaction& transaction) {
  if (auto loaded = load_destructions(transaction); !loaded) return loaded;
  Query query = transaction.query("SELECT tenant, list, mac FROM key_lists");
  const auto loaded = query.each([&]() -> Status {
    const std::string tenant = query.text(0);
    const std::string name = "store: the key list of tenant \"" + tenant + "\"";
    Bytes encoded = query.blob(1);
    if (!equal_in_constant_time(mac(tenant, encoded), query.blob(2)))
      return Error(Code::altered, name + " was altered: its MAC does not hold");
    const KeyPtr key = keys_.of_tenant(tenant);
    if (key == nullptr) return Error(Code::altered, name + " has no key: a row was removed");
    auto list = KeyList::parse(encoded, key->client_ca());
    if (!list) return std::move(list).error().in(name);
    transaction.rows().put(Table::key_lists, query.blob(0), query.blob(2));
    lists_.emplace(
        tenant, std::make_shared<const SignedKeyList>(SignedKeyList{*std::move(list), std::move(encoded)}));
    return Done{};
  });
  if (!loaded) return loaded;
  // A missing row can only make a key wait longer. A row for a key that its own tenant does not destroy is
  // ignored.
  std::map<protocol::KeyId, Destruction> own;
  for (const auto& [tenant, keys] : lists_)
    for (const KeyList::Entry& entry : keys->list.keys) {
      if (entry.use != KeyUse::destroyed || own_key(tenant, entry.key_id) == nullptr) continue;
      const auto row = destructions_.find(entry.key_id);
      own.emplace(entry.key_id, row != destructions_.end()
                                    ? row->second
                                    : Destruction{.effective_ms = entry.effective_ms,
                                                  .running_ms = running_.total_ms() + destroy_wait_.count()});
    }
  destructions_ = std::move(own);
  return Done{};
}

// A key_id is the hash of a ceremony that names its tenant, so this agent's key determines the tenant.
KeyPtr KeyLists::own_key(std::string_view tenant, const protocol::KeyId& key_id) const {
  KeyPtr key = keys_.active(key_id);
  if (key == nullptr) key = keys_.prepared(key_id);
  if (const auto shelved = keys_.shelved(key_id); key == nullptr && !shelved.empty()) key = shelved.back();
  if (key == nullptr) key = keys_.left(key_id);
  return key != nullptr && key->tenant() == tenant ? key : nullptr;
}

// A postponed destruction waits for the later date. One that is repeated, or brought forward where that is
// allowed, keeps its wait.
Status KeyLists::put_destructions(Transaction& transaction, const KeyList& next, std::int64_t now_ms) {
  for (const KeyList::Entry& entry : next.keys) {
    if (own_key(next.tenant, entry.key_id) == nullptr) continue;
    if (entry.use != KeyUse::destroyed) {
      const auto removed =
          transaction.query("DELETE FROM destructions WHERE key_id=?").bind(entry.key_id).run(Rows::any);
      if (!removed) return removed;
      transaction.rows().remove(Table::destructions, Bytes(entry.key_id.begin(), entry.key_id.end()));
      transaction.after_commit([this, key_id = entry.key_id] {
        const std::unique_lock lock(mutex_);
        destructions_.erase(key_id);
      });
      continue;
    }
    Destruction destruction{
        .effective_ms = entry.effective_ms,
        .running_ms =
            running_.total_ms() + std::max<std::int64_t>(destroy_wait_.count(), entry.effective_ms - now_ms)};
    {
      const std::shared_lock lock(mutex_);
      const auto before = destructions_.find(entry.key_id);
      if (before != destructions_.end())
        destruction.running_ms = entry.effective_ms <= before->second.effective_ms
                                     ? before->second.running_ms
                                     : std::max(before->second.running_ms, destruction.running_ms);
    }
    const Digest row_mac = mac(entry.key_id, destruction);
    const auto written = transaction
                             .query(
                                 "INSERT OR REPLACE INTO destructions(key_id, effective_ms, running_ms, "
                                 "mac) VALUES(?, ?, ?, ?)")
                             .bind(entry.key_id)
                             .bind(destruction.effective_ms)
                             .bind(destruction.running_ms)
                             .bind(row_mac)
                             .run(Rows::one);
    if (!written) return written;
    transaction.rows().put(Table::destructions, Bytes(entry.key_id.begin(), entry.key_id.end()),
                           Bytes(row_mac.begin(), row_mac.end()));
    transaction.after_commit([this, key_id = entry.key_id, destruction] {
      const std::unique_lock lock(mutex_);
      destructions_.insert_or_assign(key_id, destruction);
    });
  }
  return Done{};
}

bool KeyLists::has_come(const KeyList::Entry& entry, std::int64_t now_ms) const {
  const std::shared_lock lock(mutex_);
  const auto destruction = destructions_.find(entry.key_id);
  return entry.effective_ms <= now_ms && destruction != destructions_.end() &&
         destruction->second.running_ms <= running_.total_ms();
}

bool KeyLists::is_final(std::string_view tenant, const KeyList::Entry& entry) const {
  if (entry.use != KeyUse::destroyed) return false;
  const KeyPtr key = own_key(tenant, entry.key_id);
  return key != nullptr && key->erased();
}

// A listed key stays listed: leaving it out would undo its entry.
// A key that this agent never had may be made up, so the company must be able to remove it.
Status KeyLists::check_successor(const KeyList& present, const KeyList& next) const {
  const EntriesByKey by_key(&next);
  for (const KeyList::Entry& entry : present.keys) {
    const KeyList::Entry* const after = by_key.find(entry.key_id);
    if (after == nullptr && own_key(present.tenant, entry.key_id) != nullptr)
      return Error(Code::conflict, list_of(next) + named(entry) + " is left out");
    if (after == nullptr) continue;
    if (after->use != KeyUse::destroyed && is_final(present.tenant, entry))
      return Error(Code::conflict, list_of(next) + named(entry) + " is destroyed for good");
  }
  return Done{};
}

// A destruction that was announced before already has its time. Anything that would erase earlier starts a
// new wait. If this agent has no share of the key, there is nothing to erase: an agent that joins is told of
// all earlier destructions.
Status KeyLists::check_waiting(const KeyList* present, const KeyList& next, std::int64_t now_ms) const {
  const EntriesByKey before_by_key(present);
  for (const KeyList::Entry& entry : next.keys) {
    if (entry.use != KeyUse::destroyed) continue;
    const KeyList::Entry* const before = before_by_key.find(entry.key_id);
    const bool announced =
        before != nullptr && before->use == KeyUse::destroyed && before->effective_ms <= entry.effective_ms;
    const KeyPtr key = announced ? nullptr : own_key(next.tenant, entry.key_id);
    if (key != nullptr && !key->shares.empty() && entry.effective_ms < now_ms + destroy_wait_.count())
      return Error(Code::denied, list_of(next) + named(entry) +
                                     " would be erased before this agent's waiting time of " +
                                     std::to_string(destroy_wait_.count() / 1000) + " s is over");
  }
  return Done{};
}

Status KeyLists::check_purposes(const KeyList& next) const {
  const KeyList::Entry* const entry = next.encrypting();
  const KeyPtr key = entry == nullptr ? nullptr : own_key(next.tenant, entry->key_id);
  if (key != nullptr && key->parameters()->purpose != protocol::Purpose::envelope)
    return Error(Code::malformed, list_of(next) + named(*entry) + " is not for files");
  return Done{};
}

Status KeyLists::put(Transaction& transaction, SignedKeyListPtr keys, std::int64_t now_ms, bool missed) {
  const KeyList& next = keys->list;
  const auto present = of_tenant(next.tenant);
  if (auto follows =
          protocol::check_serial("key list of tenant \"" + next.tenant + "\"",
                                 present == nullptr ? 0 : present->list.serial, next.serial, now_ms);
      !follows)
    return follows;
  if (present != nullptr)
    if (auto follows = check_successor(present->list, next); !follows) return follows;
  const std::uint64_t before = present == nullptr ? 0 : present->list.serial;
  if (!missed && next.serial == before + 1)
    if (auto waits = check_waiting(present ? &present->list : nullptr, next, now_ms); !waits) return waits;
  if (auto fits = check_purposes(next); !fits) return fits;
  const Digest row_mac = mac(next.tenant, keys->encoded);
  const auto written =
      transaction.query("INSERT OR REPLACE INTO key_lists(tenant, list, mac) VALUES(?, ?, ?)")
          .bind(next.tenant)
          .bind(keys->encoded)
          .bind(row_mac)
          .run(Rows::one);
  if (!written) return written;
  transaction.rows().put(Table::key_lists, Bytes(next.tenant.begin(), next.tenant.end()),
                         Bytes(row_mac.begin(), row_mac.end()));
  if (auto waits = put_destructions(transaction, next, now_ms); !waits) return waits;
  transaction.after_commit([this, keys = std::move(keys)] {
    const std::unique_lock lock(mutex_);
    lists_.insert_or_assign(keys->list.tenant, keys);
  });
  return Done{};
}

SignedKeyListPtr KeyLists::of_tenant(std::string_view tenant) const {
  const std::shared_lock lock(mutex_);
  const auto found = lists_.find(tenant);
  return found == lists_.end() ? nullptr : found->second;
}

std::optional<KeyList::Entry> KeyLists::entry_of(const Key& key) const {
  const auto keys = of_tenant(key.tenant());
  const KeyList::Entry* const entry = keys == nullptr ? nullptr : keys->list.find(key.key_id());
  return entry == nullptr ? std::nullopt : std::optional(*entry);
}

Status KeyLists::check(const Key& key, Operation operation) const {
  if (operation == Operation::log) return Done{};
  const auto entry = entry_of(key);
  if (key.erased() || (entry && entry->use == KeyUse::destroyed))
    return Error(Code::denied, "the key is destroyed");
  // A handover moves shares and decrypts nothing. It lets a company that lost its machines get a disabled key
  // back.
  if (operation == Operation::handover || operation == Operation::recovery_share) return Done{};
  if (entry && entry->use == KeyUse::disabled) return Error(Code::denied, "the key is disabled");
  return Done{};
}

bool KeyLists::disabled(const Key& key) const {
  const auto entry = entry_of(key);
  return entry && entry->use == KeyUse::disabled;
}

Status KeyLists::check_not_destroyed(std::string_view tenant, const protocol::KeyId& key_id) const {
  const auto keys = of_tenant(tenant);
  const KeyList::Entry* const entry = keys == nullptr ? nullptr : keys->list.find(key_id);
  if (entry == nullptr || entry->use != KeyUse::destroyed) return Done{};
  return Error(Code::denied,
               "the tenant's key list destroys key " + to_hex(key_id) + ": this agent takes no share of it");
}

bool KeyLists::due(const Key& key, std::int64_t now_ms) const {
  const auto entry = entry_of(key);
  return entry && entry->use == KeyUse::destroyed && has_come(*entry, now_ms);
}

}  // namespace coprotect::agent::custodian
