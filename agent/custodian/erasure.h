#pragma once

#include "agent/custodian/key_lists.h"
#include "agent/custodian/log.h"

namespace coprotect::agent::custodian {

// Erases the shares of all epochs and the recovery blob of keys that are destroyed, once their waiting time
// is over. One transaction takes them out of the key's row and says so in the log; then nothing of them is
// left in the token, the memory and the journal. A crash anywhere is made good by the next run.
class Erasure {
 public:
  Erasure(hsm::ShareKeeper& keeper, Store& store, Keys& keys, const KeyLists& lists, Log& log)
      : keeper_(keeper), store_(store), keys_(keys), lists_(lists), log_(log) {}

  // Erases what is due. All are tried; the error is the first one's, whose shares may still be there: such a
  // key is refused all the same, and the next run tries again.
  Status run(std::int64_t now_ms);

 private:
  Status erase(const Key& key, std::int64_t now_ms);

  hsm::ShareKeeper& keeper_;
  Store& store_;
  Keys& keys_;
  const KeyLists& lists_;
  Log& log_;
  bool journal_empty_ = false;  // of what this or an earlier process erased
};

}  // namespace coprotect::agent::custodian
