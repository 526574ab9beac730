#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "agent/custodian/keys.h"
#include "protocol/message/log.h"

namespace coprotect::agent::custodian {

// Whether the handover that made the active key's epoch replaced the recovery code.
bool renewed_code(const Key& key);
// Whether the key is active in another epoch than before; either may be null.
bool went_on(const KeyPtr& before, const KeyPtr& after);

// When each key was last opened through every quorum in a drill, and when its recovery code was last seen to
// open the recovery parts (protocol/SPEC.md §12). Counted from the log, so it survives a restart and no row
// of the store can make it more recent.
class Drills {
 public:
  // Code::bad_proof if the report says that the code opened and its proof does not verify for this sharing.
  static Status check(const protocol::DrillReportBody& report, const protocol::Sharing& sharing);
  // The log's text for a report that check() accepted: "drill-report: passed 3 of 3, evidence …", or, for a
  // report about the code alone, "drill-report: no quorum, with the recovery code".
  static std::string detail_of(const protocol::DrillReportBody& report);

  // Notes that the key has a new recovery code, which has not been shown to work yet.
  void expect_code(const protocol::KeyId& key_id);
  // Notes that the new code is void and the previous one in force again, because its epoch was taken back.
  void take_code_back(const protocol::KeyId& key_id);
  // What a log entry records: a passed drill; a recovery code that opened its parts; a change of code.
  static bool passed(const protocol::LogEntry& entry);
  static bool opened_code(const protocol::LogEntry& entry);
  static bool changes_code(const protocol::LogEntry& entry);
  // Counts a result that the log holds.
  void count(const protocol::LogEntry& entry);
  // When the key's current recovery code was last seen to open the recovery parts: the time of the last
  // report with its proof. None if it never was.
  std::optional<std::int64_t> code_opened_ms(const protocol::KeyId& key_id) const;
  // Endings of log entries: for a report with that proof, for an epoch with a new code, and for one that was
  // taken back.
  static constexpr std::string_view kCodeOpened = ", with the recovery code";
  static constexpr std::string_view kCodeRenewed = ", with a new recovery code";
  static constexpr std::string_view kCodeTakenBack = ", with its recovery code";
  // None if no drill of the key ever passed here.
  std::optional<std::int64_t> last_passed_ms(const protocol::KeyId& key_id) const;

 private:
  mutable std::mutex mutex_;
  std::map<protocol::KeyId, std::int64_t> passed_ms_;
  struct Seen {
    std::optional<std::int64_t> last_ms;
    std::optional<std::int64_t> before_ms;  // of the previous code, until the new one is final
  };
  std::map<protocol::KeyId, Seen> code_opened_;
};

}  // namespace coprotect::agent::custodian
