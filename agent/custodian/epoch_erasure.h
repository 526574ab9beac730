#pragma once

#include <mutex>

#include "agent/custodian/keys.h"

namespace coprotect::agent::custodian {

// Ends epochs for good. A row of a key that goes, or loses its shares, makes its epoch due for erasure in the
// same transaction (Keys). Then the epoch's sealing key is destroyed in the token, so that no copy of the
// store, however old, opens a share or a recovery part of it; and the journal is emptied, so that the record
// is not on this disk either. A crash anywhere leaves the epoch due, and the next run goes on.
class EpochErasure {
 public:
  EpochErasure(hsm::ShareKeeper& keeper, Store& store, Keys& keys)
      : keeper_(keeper), store_(store), keys_(keys) {}

  // Erases all epochs that are due, in one switch of the token's root. Nobody is told that an epoch is erased
  // unless this succeeded. After an error the epochs stay due.
  Status finish();
  // The same, not more often than every half minute after an error.
  Status sweep(std::int64_t now_ms);

 private:
  Status erase_due();

  hsm::ShareKeeper& keeper_;
  Store& store_;
  Keys& keys_;
  std::mutex mutex_;
  std::int64_t failed_ms_ = 0;
};

}  // namespace coprotect::agent::custodian
