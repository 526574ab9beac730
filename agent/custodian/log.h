#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "agent/custodian/due_epochs.h"
#include "agent/custodian/log_state.h"
#include "agent/custodian/store.h"
#include "hsm/keyring.h"
#include "protocol/message/log_cut.h"

namespace coprotect::agent::custodian {

// Returns the content of a damaged entry that the operator found in a backup; nothing if there is none.
using LogRepairs = std::function<std::optional<Bytes>(std::uint64_t seq)>;

// How a start reads the log.
struct LogReading {
  std::function<void(const LogState&)> begin;  // gets the state kept from a removed beginning
  std::function<void(const protocol::LogEntry&)> visit;
  LogRepairs repairs;
  // A damaged entry prevents the start unless a later entry is from before this time.
  std::int64_t old_ms;
};

// The agent's record: a hash-chained table with a signed head (protocol/SPEC.md §7.3). Its numbers have no
// gap, except before an entry of kind store, which records that entries were lost with a newer store. Its
// beginning may have been moved to archives: then it begins with a signed cut.
class Log {
 public:
  Log(const hsm::Keyring& keyring, DueEpochs& due) : keyring_(keyring), due_(due) {}

  // Reads the whole log. Does not visit an old entry whose content is damaged but whose hash is still covered
  // by the head: only its hash is known from then on (damaged()). Code::altered if cut and entries are not
  // exactly those under the signed head, or if the list of due epochs is another than theirs (due_epochs.h).
  Status load(Transaction& transaction, const LogReading& reading);
  // Appends the entry, sets its sequence number, and signs a new head at the entry's time. Call once per
  // transaction. Code::unavailable if the log on disk no longer ends as it was written; then all later use of
  // the store fails, too.
  Status append(Transaction& transaction, protocol::LogEntry entry);
  // The same for an entry of kind store, which records what is missing before it. Its number follows both
  // this log's last one and `lost`, a head of this agent that this log does not account for.
  Status append_after(Transaction& transaction, protocol::LogEntry entry, const protocol::LogHead& lost);
  // Whether this log contains, or records as lost, the entries under this agent's head that `peer` remembers.
  // Entries that a cut removed are no longer known: for those, the peer must have been heard before the cut.
  Result<bool> accounts_for(Transaction& transaction, const protocol::LogHead& head,
                            const protocol::PublicKeyBytes& peer) const;
  // Removes the entries that `cut` names, which end before the last entry, and begins the log with the signed
  // cut. Code::altered if they are not the entries in the log. `heard`: the agents that remember the log up
  // to there.
  Result<Bytes> cut(Transaction& transaction, const protocol::LogCut& cut,
                    const std::set<protocol::PublicKeyBytes>& heard);
  // The damaged entries, and the hashes of their original contents. Set by load().
  const std::map<std::uint64_t, Digest>& damaged() const { return damaged_; }
  // A description of the damage; empty if there is none.
  std::string damage() const;
  // The last entry that was cut off; 0 if none was. Guarded by the store: use only within a transaction.
  std::uint64_t cut_seq() const { return begin_.seq; }
  // The lines that `tenant` may see from sequence number `from` on: at most `limit`, and no more than fit
  // into a reply.
  Result<protocol::LogReply> read(Transaction& transaction, std::string_view tenant, std::uint64_t from,
                                  std::uint16_t limit) const;
  // The chain hash up to the last entry before number `seq`.
  Result<Digest> chain_before(Transaction& transaction, std::uint64_t seq) const;
  // Guarded by the store: use only within a transaction.
  std::uint64_t last_seq() const { return seq_; }
  // The newest head; none while the log is empty. Guarded by the store.
  std::optional<protocol::LogHead> head() const;

 private:
  struct Place {
    std::uint64_t seq = 0;
    Digest chain{};
  };
  Status load_cut(Transaction& transaction, const std::function<void(const LogState&)>& begin);
  // Continues in memory from a cut.
  void begin_after(const Place& place, Bytes cut, LogState state);
  Status write(Transaction& transaction, protocol::LogEntry entry);
  // Whether the log on the disk ends where this one does, under the same head. If not, the store was changed
  // while the agent ran, and the next entry would conceal what was removed.
  Status check_end(Transaction& transaction) const;
  // Sets damaged_, and repairs what can be repaired.
  Status find_damage(Transaction& transaction, const LogRepairs& repairs);
  Status note_hashes(Transaction& transaction, const std::vector<std::pair<std::uint64_t, Digest>>& hashes);
  Status repair(Transaction& transaction, const LogRepairs& repairs);
  Digest hash_of(std::uint64_t seq, ByteView entry) const;
  // Advances in memory over an entry that was read or written.
  void advance(const protocol::LogEntry& entry, const Digest& chain);
  void advance(std::uint64_t seq, const Digest& hash);  // over a damaged entry
  void go_to(std::uint64_t seq, const Digest& chain);
  Status read_entries(Transaction& transaction, const LogReading& reading);

  const hsm::Keyring& keyring_;
  DueEpochs& due_;
  std::map<std::uint64_t, Digest> damaged_;
  Place begin_;     // where the log begins
  Bytes cut_;       // signed and encoded; empty if it begins with entry 1
  LogState state_;  // of the entries that were cut off
  std::uint64_t seq_ = 0;
  Digest chain_{};
  Bytes head_;  // signed and encoded
  std::uint64_t entries_ = 0;
  std::vector<Place> milestones_{Place{}};                        // at regular intervals, ascending
  std::vector<std::pair<std::uint64_t, std::uint64_t>> missing_;  // numbers that no entry has: first, last
  std::set<Digest> lost_;                                         // chains of heads recorded as lost
};

}  // namespace coprotect::agent::custodian
