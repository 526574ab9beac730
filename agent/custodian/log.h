#pragma once

#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "agent/custodian/store.h"
#include "hsm/keyring.h"
#include "protocol/message/log.h"

namespace coprotect::agent::custodian {

// The agent's record: a hash-chained table with a signed head (protocol/SPEC.md §7.3). Its numbers run
// without a gap, but for those before an entry of kind store, which were lost with a newer store.
class Log {
 public:
  explicit Log(const hsm::Keyring& keyring) : keyring_(keyring) {}

  // Reads all of it, gives each entry to `visit`. Code::altered if the entries are not exactly the ones under
  // the signed head.
  Status load(Transaction& transaction, const std::function<void(const protocol::LogEntry&)>& visit);
  // Writes the entry as the next and signs a new head over it, at the entry's time; sets its sequence number.
  // Once for each transaction.
  Status append(Transaction& transaction, protocol::LogEntry entry);
  // The same for an entry of kind store, which says what is missing before it: its number follows this log's
  // last and `lost`, a head of this agent's that this log does not account for.
  Status append_after(Transaction& transaction, protocol::LogEntry entry, const protocol::LogHead& lost);
  // Whether what stood under a head of this agent's is in this log, or said to be lost.
  Result<bool> accounts_for(Transaction& transaction, const protocol::LogHead& head) const;
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
  Status write(Transaction& transaction, protocol::LogEntry entry);
  // Goes on in memory, to an entry that was read or written.
  void advance(const protocol::LogEntry& entry, const Digest& chain);

  const hsm::Keyring& keyring_;
  std::uint64_t seq_ = 0;
  Digest chain_{};
  Bytes head_;  // signed and encoded
  std::uint64_t entries_ = 0;
  std::vector<Place> milestones_{Place{}};                        // every so many entries, ascending
  std::vector<std::pair<std::uint64_t, std::uint64_t>> missing_;  // numbers that no entry has: first, last
  std::set<Digest> lost_;                                         // chains of heads that are said to be lost
};

}  // namespace coprotect::agent::custodian
