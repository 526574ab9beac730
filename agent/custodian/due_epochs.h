#pragma once

#include <optional>
#include <set>

#include "agent/custodian/store.h"
#include "hsm/epoch_keys.h"
#include "hsm/keyring.h"

namespace coprotect::agent::custodian {

// The epochs that this agent has ended and not yet erased for good (epoch_erasure.h): the table `erasures`.
// One MAC covers all its rows, their number, and the chain of the log as it is; every entry of the log renews
// it. So a row that somebody adds or removes is found at the next start, and so is the whole table as it was
// earlier: the log has gone on since. An epoch becomes due in one transaction with an entry of the log. It is
// taken off the list without one, and the list as it was until then holds until the next entry: the epoch
// would be erased twice.
//
// A second MAC in the same place covers the rows of other tables that must not be removed, added or put back
// one by one (row_list.h), bound to the chain as well.
//
// While the agent runs, memory counts and the tables are only written.
class DueEpochs {
 public:
  // `keyring` outlives it.
  explicit DueEpochs(const hsm::Keyring& keyring) : keyring_(keyring) {}

  // Reads the rows, once the log is read. `chain`: the log's; none, if it has no entry. Code::altered if the
  // MAC does not hold.
  Status load(Transaction& transaction, const std::optional<Digest>& chain);
  // Once the rows of all tables are read: Code::altered if they are not exactly those that were written.
  Status check_rows(Transaction& transaction) const;
  // Whether nothing was ever written into the store that was loaded.
  bool is_new() const { return rows_mac_.empty(); }
  // Writes both MACs, as the last of a transaction.
  Status seal(Transaction& transaction);
  // What is already so is fine.
  Status add(Transaction& transaction, const hsm::EpochId& epoch);
  Status remove(Transaction& transaction, const hsm::EpochId& epoch);
  // The log has got another entry, in this transaction.
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
  std::uint64_t changing_ = 0;  // the number of the transaction that changed_ is of
};

}  // namespace coprotect::agent::custodian
