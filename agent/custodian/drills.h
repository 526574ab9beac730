#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/message/log.h"

namespace coprotect::agent::custodian {

// When each key was last opened through every quorum, in a drill (protocol/SPEC.md §12). Counted from the
// log, so that it survives a restart and no row of the store can make it younger.
class Drills {
 public:
  // Code::bad_proof if the report says that the code opened and its proof does not hold in this sharing.
  static Status check(const protocol::DrillReportBody& report, const protocol::Sharing& sharing);
  // What the log says of a report that check() took: "drill-report: passed 3 of 3, evidence …".
  static std::string detail_of(const protocol::DrillReportBody& report);

  // The code was seen to open what it should, just now.
  void saw_code(const protocol::KeyId& key_id, std::int64_t now_ms);
  // Counts a result that the log holds.
  void count(const protocol::LogEntry& entry);
  // When the key's recovery code was last seen to open what it should: a drill with its proof, a new code, or
  // a handover in which the recovery share dealt.
  std::optional<std::int64_t> code_opened_ms(const protocol::KeyId& key_id) const;
  // What an entry in the log ends with, if it showed that.
  static constexpr std::string_view kCodeOpened = ", with the recovery code";
  // None if no drill of it ever passed here.
  std::optional<std::int64_t> last_passed_ms(const protocol::KeyId& key_id) const;

 private:
  mutable std::mutex mutex_;
  std::map<protocol::KeyId, std::int64_t> passed_ms_;
  std::map<protocol::KeyId, std::int64_t> code_opened_ms_;
};

}  // namespace coprotect::agent::custodian
