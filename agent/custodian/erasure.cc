#include "agent/custodian/erasure.h"

#include <set>

#include "agent/custodian/record.h"
#include "protocol/base/fault.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {

protocol::LogEntry destruction_entry(const Key& key, const SignedKeyList& list, std::int64_t now_ms,
                                     std::string detail) {
  auto entry = entry_of(protocol::EntryKind::key_list, key.tenant(), now_ms);
  entry.key_id = key.key_id();
  entry.request_hash = protocol::sha256(list.encoded);
  entry.operation = static_cast<std::uint8_t>(protocol::Recorded::nothing);
  entry.detail = std::move(detail);
  return entry;
}

Status Erasure::run(std::int64_t now_ms, const IsNewest& is_newest) {
  Status status = held_.look();
  std::set<protocol::KeyId> due;
  for (const KeyPtr& key : keys_.all_with_shares())
    if (lists_.due(*key, now_ms) && is_newest(*key)) due.insert(key->key_id());
  for (const auto& key_id : due)
    if (auto erased = erase(key_id, now_ms); !erased && status) status = std::move(erased);
  auto ended = epochs_.sweep(now_ms);
  return status ? ended : status;
}

Status Erasure::erase(const protocol::KeyId& key_id, std::int64_t now_ms) {
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  auto rows = keys_.all_with_shares();
  std::erase_if(rows, [&](const KeyPtr& row) { return row->key_id() != key_id; });
  if (rows.empty() || !lists_.due(*rows.front(), now_ms)) return Done{};  // withdrawn meanwhile
  if (held_.hold(key_id))
    return Error(Code::limited, "key " + to_hex(key_id) +
                                    " is destroyed and its time has come, but the "
                                    "operator holds the erasure of its shares");
  for (const KeyPtr& row : rows)
    if (auto gone = take_shares(*transaction, *row); !gone) return gone;
  auto entry = destruction_entry(*rows.back(), *lists_.of_tenant(rows.back()->tenant()), now_ms,
                                 "the destroyed key's shares are removed from the store");
  if (auto recorded = log_.append(*transaction, std::move(entry)); !recorded) return recorded;
  fault_point("agent-erase-commit");
  if (auto committed = transaction->commit(); !committed) return committed;
  fault_point("agent-erase-committed");
  return Done{};
}

Status Erasure::take_shares(Transaction& transaction, const Key& row) {
  // Removes the row of an unfinished handover. A shelved row is kept: it may be the tenant's only one, and
  // the tenant's lists cannot be read without one of its keys.
  if (row.state == KeyState::prepared) return keys_.remove(transaction, row);
  Key tombstone = row;
  tombstone.shares.clear();
  tombstone.recovery_blob.clear();
  tombstone.recovery_parts.clear();
  return keys_.put(transaction, std::make_shared<const Key>(std::move(tombstone)));
}

}  // namespace coprotect::agent::custodian
