#pragma once

#include <functional>
#include <mutex>

#include "agent/custodian/store.h"
#include "hsm/keyring.h"
#include "protocol/message/log.h"

namespace coprotect::agent::custodian {

// The agent's record: a hash-chained table with a signed head (protocol/SPEC.md §7.3).
class Log {
 public:
  explicit Log(const hsm::Keyring& keyring) : keyring_(keyring) {}

  // Reads all of it, gives each entry to `visit`. Code::altered if the entries are not exactly the ones under
  // the signed head.
  Status load(Transaction& transaction, const std::function<void(const protocol::LogEntry&)>& visit);
  // Writes the entry as the next and signs a new head over it, at the entry's time; sets its sequence number.
  // Once for each transaction.
  Status append(Transaction& transaction, protocol::LogEntry entry);
  // What `tenant` may see from sequence number `from` on, at most `limit` lines and no more than a reply
  // should hold.
  Result<protocol::LogReply> read(Transaction& transaction, std::string_view tenant, std::uint64_t from,
                                  std::uint16_t limit) const;
  // Guarded by the store: only to be asked within a transaction.
  std::uint64_t last_seq() const { return seq_; }

 private:
  const hsm::Keyring& keyring_;
  std::uint64_t seq_ = 0;
  Digest chain_{};
  Bytes head_;  // signed and encoded
};

}  // namespace coprotect::agent::custodian
