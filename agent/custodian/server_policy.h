#pragma once

#include <map>

#include "agent/custodian/store.h"
#include "protocol/dkg/parameters.h"
#include "protocol/message/log.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// What this agent's operator allows, whatever a file's policy says (which can only narrow it). Code::denied
// otherwise.
struct ServerPolicy {
  bool allow_recover;

  Status check(const protocol::Request& request, const protocol::ClientIdentity& client,
               protocol::Purpose purpose) const;
};

// A brake on mass decryption: so many partial decryptions requested for one key in one day (UTC). Counted
// from the log, so that it survives a restart and no row of the store can reset it. Guarded by the store:
// only to be used within a transaction.
class DailyCap {
 public:
  explicit DailyCap(std::uint64_t per_key) : per_key_(per_key) {}

  // Counts what the log says was admitted.
  void count(const protocol::LogEntry& entry);
  // Code::limited once the cap is reached; counts the request when the transaction is committed.
  Status admit(Transaction& transaction, const protocol::KeyId& key_id, std::int64_t now_ms);

 private:
  struct Day {
    std::int64_t number = 0;  // days since 1970
    std::uint64_t requests = 0;
  };
  void add(const protocol::KeyId& key_id, std::int64_t time_ms);

  std::uint64_t per_key_;
  std::map<protocol::KeyId, Day> days_;
};

// What the log calls an operation, in an intent's detail.
std::string_view operation_name(protocol::Operation operation);

}  // namespace coprotect::agent::custodian
