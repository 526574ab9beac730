#pragma once

#include <optional>
#include <set>

#include "agent/custodian/store.h"
#include "hsm/epoch_keys.h"
#include "hsm/keyring.h"

namespace coprotect::agent::custodian {

// The epochs that this agent has ended but not yet erased (epoch_erasure.h): the table `erasures`. One MAC
// covers all its rows, their number, and the current hash of the log's chain; each new log entry renews it.
// So the next start detects an added or removed row, and an older copy of the whole table, since the log has
// grown. An epoch becomes due in one transaction with a log entry. It leaves the list without one, and the
// older list stays valid until the next entry: restoring it would only erase the epoch twice.
//
// A second MAC in the same place covers the rows of other tables that nobody may remove, add or restore one
// by one (row_list.h). It is bound to the chain as well.
//
// While the agent runs, memory is authoritative and the tables are only written.
class DueEpochs {
 public:
  // `keyring` outlives it.
  explicit DueEpochs(const hsm::Keyring& keyring) : keyring_(keyring) {}

  // Reads the rows; call after the log is read. `chain` is the log's chain; none if the log is empty.
  // Code::altered if the MAC does not verify.
  Status load(Transaction& transaction, const std::optional<Digest>& chain);
  // Call after the rows of all tables are read. Code::altered if they are not exactly those that were
  // written.
  Status check_rows(Transaction& transaction) const;
  // Whether nothing was ever written to the loaded store.
  bool is_new() const { return rows_mac_.empty(); }
  // Writes both MACs, last in a transaction.
  Status seal(Transaction& transaction);
  // Adding an epoch twice, or removing one that is not listed, succeeds.
  Status add(Transaction& transaction, const hsm::EpochId& epoch);
  Status remove(Transaction& transaction, const hsm::EpochId& epoch);
  // Call when this transaction appends to the log.
  Status follow(Transaction& transaction, const Digest& chain);
  // As of this transaction.
  std::set<hsm::EpochId> all(const Transaction& transaction) const;

 private:
  struct List {
    std::set<hsm::EpochId> epochs;
    Digest chain{};
  };
  // The list as this transaction changes it.
  List& change(Transaction& transaction);
  const List& present(const Transaction& transaction) const;
  Digest mac(const List& list) const;
  Digest mac(const Digest& chain, const RowList& rows) const;

  const hsm::Keyring& keyring_;
  // Guarded by the store: only to be used within a transaction.
  List present_;
  List changed_;
  Bytes rows_mac_;              // as it was loaded
  std::uint64_t changing_ = 0;  // number of the transaction that changed_ belongs to
};

}  // namespace coprotect::agent::custodian
