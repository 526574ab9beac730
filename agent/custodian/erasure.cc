#include "agent/custodian/erasure.h"

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

Status Erasure::run(std::int64_t now_ms) {
  Status status = Done{};
  for (const KeyPtr& key : keys_.all_with_shares()) {
    if (!lists_.due(*key, now_ms)) continue;
    auto erased = erase(*key, now_ms);
    if (!erased && status) status = std::move(erased);
  }
  auto ended = epochs_.sweep(now_ms);
  return status ? ended : status;
}

Status Erasure::erase(const Key& key, std::int64_t now_ms) {
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  if (!lists_.due(key, now_ms)) return Done{};  // taken back meanwhile
  Key tombstone = key;
  tombstone.shares.clear();
  tombstone.recovery_blob.clear();
  tombstone.recovery_parts.clear();
  auto entry = destruction_entry(key, *lists_.of_tenant(key.tenant()), now_ms,
                                 "the destroyed key's shares are removed from the store");
  // Of a handover that was not finished nothing need stay.
  auto gone = key.state == KeyState::prepared
                  ? keys_.remove(*transaction, key)
                  : keys_.put(*transaction, std::make_shared<const Key>(std::move(tombstone)));
  if (!gone) return gone;
  if (auto recorded = log_.append(*transaction, std::move(entry)); !recorded) return recorded;
  fault_point("agent-erase-commit");
  if (auto committed = transaction->commit(); !committed) return committed;
  fault_point("agent-erase-committed");
  return Done{};
}

}  // namespace coprotect::agent::custodian
