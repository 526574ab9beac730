#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "agent/front/deadlines.h"

namespace coprotect::agent::front {

// Counts the connections and requests that the front refused or cut, by address and reason, so that whoever
// is refused a thousand times a second writes a line a minute into the log. Safe from several threads.
class Tally {
 public:
  void count(const std::string& source, std::string_view reason);
  // The lines of the log that are due: after the first refusal within a second, then once a minute; the
  // addresses that were refused most often, and one line for all others.
  std::vector<std::string> due(Clock::time_point now);

 private:
  using Reasons = std::map<std::string, std::uint64_t, std::less<>>;

  std::mutex mutex_;
  std::map<std::string, Reasons> sources_;
  Reasons others_;  // of addresses beyond the number that is kept apart
  Clock::time_point quiet_until_{};
};

}  // namespace coprotect::agent::front
