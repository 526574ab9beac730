#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "agent/custodian/keys.h"
#include "agent/custodian/running_time.h"
#include "protocol/message/handover.h"

namespace coprotect::agent::custodian {

// The pending announcements of recovery administrators. A key has at most one for each announcer's key: there
// is one recovery administrator, and for a time also the one of the previous recovery code (identify.h). Each
// row carries a MAC.
class Announcements {
 public:
  Announcements(const hsm::Keyring& keyring, const RunningTime& running)
      : keyring_(keyring), running_(running) {}

  Status load(Transaction& transaction);
  // A key, and the announcer's key hash.
  using Place = std::pair<protocol::KeyId, Digest>;
  // Whether the wait is running, or starts only once the contacts are told.
  enum class Wait { begun, not_begun };

  // Replaces the announcer's previous announcement. The agent must run for `notice.running_left_ms`, counted
  // from now or from the start of the wait.
  Status put(Transaction& transaction, const protocol::KeyId& key_id, protocol::HandoverNotice notice,
             Wait wait);
  Wait wait_of(const Place& place) const;
  // The places of announcements whose wait has not begun.
  std::vector<Place> not_begun() const;
  // Removes all announcements for a key.
  Status remove(Transaction& transaction, const protocol::KeyId& key_id);
  // Removes all announcements that were not vetoed, after the store was rolled back: it may have lost a veto,
  // and how long they have waited. Returns their places.
  Result<std::vector<Place>> remove_unvetoed(Transaction& transaction);
  // Each notice states the running time that is left.
  std::vector<protocol::HandoverNotice> of(const protocol::KeyId& key_id) const;
  std::optional<protocol::HandoverNotice> of(const protocol::KeyId& key_id, const Digest& announcer) const;

 private:
  struct Waiting {
    protocol::HandoverNotice notice;
    // The running time (RunningTime) at which it may be carried out; kNotBegun if the wait has not begun.
    std::int64_t running_ms;
  };
  Digest mac(const Place& place, ByteView notice, std::int64_t running_ms) const;
  protocol::HandoverNotice with_time_left(const Waiting& waiting) const;

  const hsm::Keyring& keyring_;
  const RunningTime& running_;
  mutable std::mutex mutex_;
  std::map<Place, Waiting> waiting_;
};

}  // namespace coprotect::agent::custodian
