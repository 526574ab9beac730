#pragma once

#include <mutex>
#include <optional>

#include "agent/custodian/key_lists.h"
#include "agent/custodian/log.h"
#include "agent/custodian/other_life.h"
#include "agent/custodian/settings.h"

namespace coprotect::agent::custodian {

// Ends epochs for good. A row of a key that goes, or loses its shares, makes its epoch due for erasure in the
// same transaction (Keys, due_epochs.h). Then the epoch's sealing key is destroyed in the token, so that no
// copy of the store, however old, opens a share or a recovery part of it; and the journal is emptied, so that
// the record is not on this disk either. Only then the log says of a destroyed key that its shares are
// erased. A crash anywhere leaves the epoch due, and the next run goes on.
class EpochErasure {
 public:
  EpochErasure(const Settings& settings, hsm::ShareKeeper& keeper, Store& store, Keys& keys,
               const KeyLists& lists, const OtherLife& other_life, Log& log)
      : settings_(settings),
        keeper_(keeper),
        store_(store),
        keys_(keys),
        lists_(lists),
        other_life_(other_life),
        log_(log) {}

  // Erases all epochs that are due, in one switch of the token's root; none while another agent may run on
  // the same root (other_life.h). Nobody is told that an epoch is erased
  // unless this succeeded. After an error the epochs stay due. With a key, the error is one about its epochs:
  // what is wrong with another key's is its own.
  Status finish(const std::optional<protocol::KeyId>& key_id = std::nullopt);
  // The same, not more often than every half minute after an error, which is meanwhile said again.
  Status sweep(std::int64_t now_ms);

 private:
  using Due = std::map<protocol::KeyId, std::vector<hsm::EpochId>>;
  Result<Due> due();
  Status erase_due(const std::optional<protocol::KeyId>& key_id);
  // Takes a key's epochs off the list, and says in the log if it is destroyed.
  Status note_erased(const protocol::KeyId& key_id, const std::vector<hsm::EpochId>& epochs);

  const Settings& settings_;
  hsm::ShareKeeper& keeper_;
  Store& store_;
  Keys& keys_;
  const KeyLists& lists_;
  const OtherLife& other_life_;
  Log& log_;
  std::mutex mutex_;
  std::optional<Error> failure_;  // of the last sweep
  std::int64_t failed_ms_ = 0;
};

}  // namespace coprotect::agent::custodian
