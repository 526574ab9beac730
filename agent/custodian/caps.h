#pragma once

#include <map>
#include <string>

#include "agent/custodian/settings.h"
#include "agent/custodian/store.h"
#include "protocol/message/log.h"

namespace coprotect::agent::custodian {

// So many uses by one subject in one day (UTC).
class DailyCap {
 public:
  explicit DailyCap(std::uint64_t limit) : limit_(limit) {}

  std::uint64_t limit() const { return limit_; }
  void add(const std::string& subject, std::uint64_t uses, std::int64_t time_ms);
  bool allows(const std::string& subject, std::uint64_t uses, std::int64_t now_ms) const;

 private:
  struct Day {
    std::int64_t number = 0;  // days since 1970
    std::uint64_t uses = 0;
  };
  std::uint64_t limit_;
  std::map<std::string, Day> days_;
};

// The brakes on mass decryption and on attacks that need many answers of one static key: partial decryptions
// requested for one key; values derived with one key, and for one client. Counted from the log, so that they
// survive a restart and no row of the store can reset them. Guarded by the store: only to be used within a
// transaction.
class Caps {
 public:
  explicit Caps(const Settings& settings);

  // Counts what the log says was admitted.
  void count(const protocol::LogEntry& entry);
  // Code::limited once a cap is reached; counts the intent when the transaction is committed. What does not
  // use a share is admitted always.
  Status admit(Transaction& transaction, const protocol::LogEntry& intent);

 private:
  DailyCap requests_;
  DailyCap derived_by_key_;
  DailyCap derived_by_client_;
};

}  // namespace coprotect::agent::custodian
