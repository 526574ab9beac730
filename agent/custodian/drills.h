#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "protocol/message/log.h"

namespace coprotect::agent::custodian {

// When each key was last opened through every quorum, in a drill (protocol/SPEC.md §12). Counted from the
// log, so that it survives a restart and no row of the store can make it younger.
class Drills {
 public:
  // What the log says of a report: "drill-report: passed 3 of 3, evidence …".
  static std::string detail_of(const protocol::DrillReportBody& report);

  // Counts a result that the log holds.
  void count(const protocol::LogEntry& entry);
  // None if no drill of it ever passed here.
  std::optional<std::int64_t> last_passed_ms(const protocol::KeyId& key_id) const;

 private:
  mutable std::mutex mutex_;
  std::map<protocol::KeyId, std::int64_t> passed_ms_;
};

}  // namespace coprotect::agent::custodian
