#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "hsm/share_keeper.h"

namespace coprotect::agent::custodian {

// How the last use of each key's share ended. Health reports this, whatever a probe of the token says. Safe
// from several threads.
class LastUses {
 public:
  struct State {
    std::int64_t since_ms;     // since when it works or fails
    std::string failure;       // empty: the last use worked; without paths
    std::int64_t last_ms = 0;  // when the last use was
  };

  void note(const protocol::KeyId& key_id, const std::optional<Error>& failure, std::int64_t now_ms);
  // None before the first use.
  std::optional<State> of(const protocol::KeyId& key_id) const;
  // Whether the key's last use failed and a new check is due. Checks become less frequent.
  bool take_due(const protocol::KeyId& key_id, std::int64_t now_ms);

 private:
  struct Entry {
    State state;
    std::int64_t look_ms;   // when to check again
    std::int64_t pause_ms;  // until the check after that
  };
  mutable std::mutex mutex_;
  std::map<protocol::KeyId, Entry> entries_;
};

// Wraps a keeper and records its uses of shares in `uses`, which must outlive it.
std::unique_ptr<hsm::ShareKeeper> noting(std::unique_ptr<hsm::ShareKeeper> keeper, LastUses& uses,
                                         std::function<std::int64_t()> now_ms);

}  // namespace coprotect::agent::custodian
