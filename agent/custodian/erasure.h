#pragma once

#include <functional>

#include "agent/custodian/epoch_erasure.h"
#include "agent/custodian/held_erasures.h"
#include "agent/custodian/key_lists.h"
#include "agent/custodian/log.h"

namespace coprotect::agent::custodian {

// The log entry about a destroyed key's shares. No client asked for the erasure at that time.
protocol::LogEntry destruction_entry(const Key& key, const SignedKeyList& list, std::int64_t now_ms,
                                     std::string detail);

// Erases the shares of all epochs and the recovery blob of destroyed keys, once their waiting time is over
// and unless the operator holds the erasure. One transaction removes them from all the key's rows and logs
// that. The erasure begins there: a later hold has no effect. Then their epochs end, and the log says that
// they are erased (epoch_erasure.h). After a crash at any point the next run continues.
class Erasure {
 public:
  Erasure(EpochErasure& epochs, HeldErasures& held, Store& store, Keys& keys, const KeyLists& lists, Log& log)
      : epochs_(epochs), held_(held), store_(store), keys_(keys), lists_(lists), log_(log) {}

  // Whether this agent has no sign that it once had newer lists of the key's tenant. An older list that was
  // restored may destroy a key that a later one does not.
  using IsNewest = std::function<bool(const Key&)>;
  // Reads the operator's holds, and erases what the newest lists make due. Tries all keys and returns the
  // first error. The shares of a key that failed may still exist: the key is refused all the same, and the
  // next run tries again.
  Status run(std::int64_t now_ms, const IsNewest& is_newest);

 private:
  Status erase(const protocol::KeyId& key_id, std::int64_t now_ms);
  Status take_shares(Transaction& transaction, const Key& row);

  EpochErasure& epochs_;
  HeldErasures& held_;
  Store& store_;
  Keys& keys_;
  const KeyLists& lists_;
  Log& log_;
};

}  // namespace coprotect::agent::custodian
