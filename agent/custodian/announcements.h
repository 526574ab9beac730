#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "agent/custodian/keys.h"
#include "agent/custodian/running_time.h"
#include "protocol/message/handover.h"

namespace coprotect::agent::custodian {

// What recovery administrators announced that they will do. For each key one by each announcer's key, at most
// protocol::kMaxNotices: nobody's announcement ends or delays another's. A row is under a MAC.
class Announcements {
 public:
  Announcements(const hsm::Keyring& keyring, const RunningTime& running)
      : keyring_(keyring), running_(running) {}

  Status load(Transaction& transaction);
  // A key, and whose announcement.
  using Place = std::pair<protocol::KeyId, Digest>;
  // Whether a wait goes on, or begins only when the contacts were told.
  enum class Wait { begun, not_begun };

  // Puts it in the place of the announcer's own, and, if there is no room, of one that was vetoed. The agent
  // has to run for `notice.running_left_ms` from now on, or from the beginning of the wait on. Code::limited
  // if there is no room.
  Status put(Transaction& transaction, const protocol::KeyId& key_id, protocol::HandoverNotice notice,
             Wait wait);
  Wait wait_of(const Place& place) const;
  // The places of those whose wait has not begun.
  std::vector<Place> not_begun() const;
  // Those of a key.
  Status remove(Transaction& transaction, const protocol::KeyId& key_id);
  // With what is left of the time that the agent has to run.
  std::vector<protocol::HandoverNotice> of(const protocol::KeyId& key_id) const;
  std::optional<protocol::HandoverNotice> of(const protocol::KeyId& key_id, const Digest& announcer) const;

 private:
  struct Waiting {
    protocol::HandoverNotice notice;
    // The counted running time from which on it may be carried out; kNotBegun if the wait has not begun.
    std::int64_t running_ms;
  };
  Digest mac(const Place& place, ByteView notice, std::int64_t running_ms) const;
  protocol::HandoverNotice with_time_left(const Waiting& waiting) const;
  // A vetoed one to give way, if there is no room; Code::limited if there is none.
  Result<std::optional<Place>> to_give_way(const Place& place) const;

  const hsm::Keyring& keyring_;
  const RunningTime& running_;
  mutable std::mutex mutex_;
  std::map<Place, Waiting> waiting_;
};

}  // namespace coprotect::agent::custodian
