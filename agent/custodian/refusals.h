#pragma once

#include <map>
#include <mutex>
#include <string>

#include "agent/custodian/log.h"

namespace coprotect::agent::custodian {

// The log's entries of refusals, and what bounds them: the first kEach of one certificate in a minute have an
// entry each, what comes after them in that minute is counted and has one entry together (protocol/SPEC.md
// §7.3). A count that is not written yet is lost when the agent ends.
class Refusals {
 public:
  static constexpr unsigned kEach = 30;
  static constexpr std::int64_t kMinuteMs = 60'000;

  Refusals(Store& store, Log& log) : store_(store), log_(log) {}

  // Records or counts a refusal of what came from `source`, a certificate's hash.
  Status add(const Digest& source, protocol::LogEntry refusal);
  // Writes the counts of minutes that are over. Once a second.
  void sweep(std::int64_t now_ms);

 private:
  struct Minute {
    std::int64_t since_ms;
    unsigned refused = 0;
    std::map<std::string, unsigned> counted = {};  // by outcome
    protocol::LogEntry first{};                    // of those that are counted
    Digest hashes{};                               // over their request hashes
  };
  static protocol::LogEntry summary(const Minute& minute);
  Status write(protocol::LogEntry entry);

  Store& store_;
  Log& log_;
  std::mutex mutex_;
  std::map<Digest, Minute> minutes_;
};

}  // namespace coprotect::agent::custodian
