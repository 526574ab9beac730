#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>

#include "hsm/share_keeper.h"

namespace coprotect::hsm {

// Caches unwrapped shares, each for `hold` after its last use. Concurrent calls for a share unwrap it only
// once: the others wait. A share is wiped once it has left the cache and the last computation with it has
// ended. Safe from several threads.
class ShareCache {
 public:
  using SharedShare = std::shared_ptr<const protocol::Scalar>;
  using Unwrap = std::function<Result<protocol::Scalar>()>;

  explicit ShareCache(std::chrono::milliseconds hold) : hold_(hold) {}

  // The share of this id and record; calls `unwrap` if it is not cached. An error goes to all waiting calls
  // and is not cached. No call waits longer than some seconds for another's (Code::unavailable).
  Result<SharedShare> get(const ShareId& id, ByteView record, const Unwrap& unwrap);
  // Drops the shares of an epoch.
  void erase(const EpochId& epoch);
  void sweep();

 private:
  using Clock = std::chrono::steady_clock;
  using Key = std::tuple<std::string, protocol::KeyId, protocol::Purpose, protocol::SuiteId, std::uint8_t,
                         std::uint32_t>;
  // Empty while the share is being unwrapped.
  struct Entry {
    Digest record;
    std::optional<Result<SharedShare>> outcome;
    Clock::time_point last_used;
  };

  static Key key_of(const ShareId& id) {
    return {id.tenant, id.key_id, id.purpose, id.suite, id.index, id.epoch};
  }
  void forget(const Key& key, const std::shared_ptr<Entry>& entry);

  const std::chrono::milliseconds hold_;
  std::mutex mutex_;
  std::condition_variable unwrapped_;
  std::map<Key, std::shared_ptr<Entry>> entries_;
};

}  // namespace coprotect::hsm
