#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "agent/front/deadlines.h"

namespace coprotect::agent::front {

// Counts the connections and requests that the front refused or cut, by address and reason. An address that
// is refused a thousand times a second causes one log line a minute. Safe from several threads.
class Tally {
 public:
  void count(const std::string& source, std::string_view reason);
  // The log lines that are due: within a second of the first refusal, then once a minute. They list the
  // addresses refused most often, and all others in one line.
  std::vector<std::string> due(Clock::time_point now);

 private:
  using Reasons = std::map<std::string, std::uint64_t, std::less<>>;

  std::mutex mutex_;
  std::map<std::string, Reasons> sources_;
  Reasons others_;  // of addresses beyond the number counted separately
  Clock::time_point quiet_until_{};
};

}  // namespace coprotect::agent::front
