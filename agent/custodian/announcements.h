#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "agent/custodian/keys.h"
#include "agent/custodian/running_time.h"
#include "protocol/message/handover.h"

namespace coprotect::agent::custodian {

// What recovery administrators announced that they will do. For each key one by each announcer's key; a key
// has one recovery administrator, and for a time the one of the code before (identify.h). A row is under a
// MAC.
class Announcements {
 public:
  Announcements(const hsm::Keyring& keyring, const RunningTime& running)
      : keyring_(keyring), running_(running) {}

  Status load(Transaction& transaction);
  // A key, and whose announcement.
  using Place = std::pair<protocol::KeyId, Digest>;
  // Whether a wait goes on, or begins only when the contacts were told.
  enum class Wait { begun, not_begun };

  // Puts it in the place of the announcer's own. The agent has to run for `notice.running_left_ms` from now
  // on, or from the beginning of the wait on.
  Status put(Transaction& transaction, const protocol::KeyId& key_id, protocol::HandoverNotice notice,
             Wait wait);
  Wait wait_of(const Place& place) const;
  // The places of those whose wait has not begun.
  std::vector<Place> not_begun() const;
  // Those of a key.
  Status remove(Transaction& transaction, const protocol::KeyId& key_id);
  // All that were not vetoed, of a store that was put back: it may have forgotten a veto, and how long they
  // waited. The places of those.
  Result<std::vector<Place>> remove_unvetoed(Transaction& transaction);
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

  const hsm::Keyring& keyring_;
  const RunningTime& running_;
  mutable std::mutex mutex_;
  std::map<Place, Waiting> waiting_;
};

}  // namespace coprotect::agent::custodian
