#pragma once

#include <functional>

#include "agent/custodian/epoch_erasure.h"
#include "agent/custodian/held_erasures.h"
#include "agent/custodian/key_lists.h"
#include "agent/custodian/log.h"

namespace coprotect::agent::custodian {

// What the log says of a destroyed key's shares: nobody asked for it at that time.
protocol::LogEntry destruction_entry(const Key& key, const SignedKeyList& list, std::int64_t now_ms,
                                     std::string detail);

// Erases the shares of all epochs and the recovery blob of keys that are destroyed, once their waiting time
// is over and unless the operator holds it. One transaction takes them out of all the key's rows and says so
// in the log. It is where the erasure begins: a hold that comes later changes nothing. Then their epochs end,
// and the log says that they are erased (epoch_erasure.h). A crash anywhere is made good by the next run.
class Erasure {
 public:
  Erasure(EpochErasure& epochs, HeldErasures& held, Store& store, Keys& keys, const KeyLists& lists, Log& log)
      : epochs_(epochs), held_(held), store_(store), keys_(keys), lists_(lists), log_(log) {}

  // Whether the lists of the key's tenant are not known to be older than what this agent had. A list that was
  // put back may destroy what a later one does not.
  using IsNewest = std::function<bool(const Key&)>;
  // Takes what the operator said of holds, and erases what is due by the newest lists. All are tried; the
  // error is the first one's, whose shares may still be there: such a key is refused all the same, and the
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
