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

// The content of an entry that rotted, as the operator found it in a backup; nothing if he found none.
using LogRepairs = std::function<std::optional<Bytes>(std::uint64_t seq)>;

// What a start does with the log.
struct LogReading {
  std::function<void(const LogState&)> begin;  // gets what is kept of a beginning that was cut off
  std::function<void(const protocol::LogEntry&)> visit;
  LogRepairs repairs;
  // An entry that rotted is none to start without unless a later one is from before this time.
  std::int64_t old_ms;
};

// The agent's record: a hash-chained table with a signed head (protocol/SPEC.md §7.3). Its numbers run
// without a gap, but for those before an entry of kind store, which were lost with a newer store. Its
// beginning may be in archives: then it begins with a signed cut.
class Log {
 public:
  Log(const hsm::Keyring& keyring, DueEpochs& due) : keyring_(keyring), due_(due) {}

  // Reads all of it. An old entry whose content rotted while its hash is still the one under the head is not
  // visited, and is known by its hash from then on (damaged()).
  // Code::altered if cut and entries are not exactly the ones under the signed head, or if another list than
  // theirs is to be erased (due_epochs.h).
  Status load(Transaction& transaction, const LogReading& reading);
  // Writes the entry as the next and signs a new head over it, at the entry's time; sets its sequence number.
  // Once for each transaction. Code::unavailable, from then on for all that the store is asked, if the log no
  // longer ends as it was written.
  Status append(Transaction& transaction, protocol::LogEntry entry);
  // The same for an entry of kind store, which says what is missing before it: its number follows this log's
  // last and `lost`, a head of this agent's that this log does not account for.
  Status append_after(Transaction& transaction, protocol::LogEntry entry, const protocol::LogHead& lost);
  // Whether what stood under a head of this agent's, which `peer` remembers, is in this log, or said to be
  // lost. What a cut removed is known no more: then it counts that the peer was heard before the cut.
  Result<bool> accounts_for(Transaction& transaction, const protocol::LogHead& head,
                            const protocol::PublicKeyBytes& peer) const;
  // Removes the entries that `cut` names, which end before the last one, and begins with it, signed.
  // Code::altered if the entries are not those that it names. `heard`: the agents that remember the log up to
  // there.
  Result<Bytes> cut(Transaction& transaction, const protocol::LogCut& cut,
                    const std::set<protocol::PublicKeyBytes>& heard);
  // The entries that rotted, and the hashes that their contents had. Set by load().
  const std::map<std::uint64_t, Digest>& damaged() const { return damaged_; }
  // What is to be said of them; empty if there is none.
  std::string damage() const;
  // The last entry that is cut off; 0 if none is. Guarded likewise.
  std::uint64_t cut_seq() const { return begin_.seq; }
  // What `tenant` may see from sequence number `from` on, at most `limit` lines and no more than a reply
  // should hold.
  Result<protocol::LogReply> read(Transaction& transaction, std::string_view tenant, std::uint64_t from,
                                  std::uint16_t limit) const;
  // The chain up to the last entry before number `seq`.
  Result<Digest> chain_before(Transaction& transaction, std::uint64_t seq) const;
  // Guarded by the store: only to be asked within a transaction.
  std::uint64_t last_seq() const { return seq_; }
  // The newest head; none while the log is empty. Guarded likewise.
  std::optional<protocol::LogHead> head() const;

 private:
  struct Place {
    std::uint64_t seq = 0;
    Digest chain{};
  };
  Status load_cut(Transaction& transaction, const std::function<void(const LogState&)>& begin);
  // Goes on in memory from a cut.
  void begin_after(const Place& place, Bytes cut, LogState state);
  Status write(Transaction& transaction, protocol::LogEntry entry);
  // Whether the log on the disk ends where this one does, under the same head. If not, somebody wrote to the
  // store while the agent ran: the next entry would cover up what was removed.
  Status check_end(Transaction& transaction) const;
  // Sets damaged_, and repairs what can be repaired.
  Status find_damage(Transaction& transaction, const LogRepairs& repairs);
  Status note_hashes(Transaction& transaction, const std::vector<std::pair<std::uint64_t, Digest>>& hashes);
  Status repair(Transaction& transaction, const LogRepairs& repairs);
  Digest hash_of(std::uint64_t seq, ByteView entry) const;
  // Goes on in memory, to an entry that was read or written.
  void advance(const protocol::LogEntry& entry, const Digest& chain);
  void advance(std::uint64_t seq, const Digest& hash);  // to one that rotted
  void go_to(std::uint64_t seq, const Digest& chain);
  Status read_entries(Transaction& transaction, const LogReading& reading);

  const hsm::Keyring& keyring_;
  DueEpochs& due_;
  std::map<std::uint64_t, Digest> damaged_;
  Place begin_;     // where the log begins
  Bytes cut_;       // signed and encoded; empty if it begins with entry 1
  LogState state_;  // of what is cut off
  std::uint64_t seq_ = 0;
  Digest chain_{};
  Bytes head_;  // signed and encoded
  std::uint64_t entries_ = 0;
  std::vector<Place> milestones_{Place{}};                        // every so many entries, ascending
  std::vector<std::pair<std::uint64_t, std::uint64_t>> missing_;  // numbers that no entry has: first, last
  std::set<Digest> lost_;                                         // chains of heads that are said to be lost
};

}  // namespace coprotect::agent::custodian
