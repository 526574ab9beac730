#pragma once

#include "agent/custodian/epoch_erasure.h"
#include "agent/custodian/key_lists.h"
#include "agent/custodian/log.h"

namespace coprotect::agent::custodian {

// What the log says of a destroyed key's shares: nobody asked for it at that time.
protocol::LogEntry destruction_entry(const Key& key, const SignedKeyList& list, std::int64_t now_ms,
                                     std::string detail);

// Erases the shares of all epochs and the recovery blob of keys that are destroyed, once their waiting time
// is over. One transaction takes them out of the key's row and says so in the log; then their epochs end, and
// the log says that they are erased (epoch_erasure.h). A crash anywhere is made good by the next run.
class Erasure {
 public:
  Erasure(EpochErasure& epochs, Store& store, Keys& keys, const KeyLists& lists, Log& log)
      : epochs_(epochs), store_(store), keys_(keys), lists_(lists), log_(log) {}

  // Erases what is due. All are tried; the error is the first one's, whose shares may still be there: such a
  // key is refused all the same, and the next run tries again.
  Status run(std::int64_t now_ms);

 private:
  Status erase(const Key& key, std::int64_t now_ms);

  EpochErasure& epochs_;
  Store& store_;
  Keys& keys_;
  const KeyLists& lists_;
  Log& log_;
};

}  // namespace coprotect::agent::custodian
