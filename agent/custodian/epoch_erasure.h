#pragma once

#include <mutex>
#include <optional>

#include "agent/custodian/key_lists.h"
#include "agent/custodian/log.h"
#include "agent/custodian/other_life.h"
#include "agent/custodian/settings.h"

namespace coprotect::agent::custodian {

// Ends epochs for good. When a key's row is removed or loses its shares, its epoch becomes due for erasure in
// the same transaction (Keys, due_epochs.h). Then the token destroys the epoch's sealing key, so that no copy
// of the store, however old, opens a share or recovery part of it. The journal is emptied, so that this disk
// no longer holds the record either. Only then does the log say of a destroyed key that its shares are
// erased. A crash at any point leaves the epoch due, and the next run continues.
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

  // Erases all due epochs in one switch of the token's root. Erases none while another agent may run on the
  // same root (other_life.h). No reply claims an erasure unless this succeeded. After an error the epochs
  // stay due. With a `key_id`, returns only an error about that key's epochs.
  Status finish(const std::optional<protocol::KeyId>& key_id = std::nullopt);
  // The same. After an error, retries at most every half minute and returns the same error meanwhile.
  Status sweep(std::int64_t now_ms);

 private:
  using Due = std::map<protocol::KeyId, std::vector<hsm::EpochId>>;
  Result<Due> due();
  Status erase_due(const std::optional<protocol::KeyId>& key_id);
  // Removes a key's epochs from the list. If the key is destroyed, logs the erasure.
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
