#pragma once

#include <map>
#include <mutex>
#include <string>

#include "agent/custodian/log.h"

namespace coprotect::agent::custodian {

// Logs refusals and bounds their number. The first kEach of one certificate in a minute get an entry each;
// the rest of that minute are counted in one entry together (protocol/SPEC.md §7.3). A count that is not yet
// written is lost when the agent ends.
class Refusals {
 public:
  static constexpr unsigned kEach = 30;
  static constexpr std::int64_t kMinuteMs = 60'000;

  Refusals(Store& store, Log& log) : store_(store), log_(log) {}

  // Records or counts a refusal. `source` is the hash of the certificate that it is counted for.
  Status add(const Digest& source, protocol::LogEntry refusal);
  // Writes the counts of completed minutes. Call once a second.
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
