#include "agent/custodian/drills.h"

#include "protocol/message/drill_signature.h"

namespace coprotect::agent::custodian {
namespace {

std::string begin_of(bool passed) {
  return std::string(operation_name(protocol::Operation::drill_report)) +
         (passed ? ": passed " : ": failed ");
}

}  // namespace

std::string Drills::detail_of(const protocol::DrillReportBody& report) {
  const unsigned count = report.all_passed() ? report.passed : report.failed;
  return begin_of(report.all_passed()) + std::to_string(count) + " of " +
         std::to_string(unsigned{report.passed} + report.failed) + ", evidence " + to_hex(report.evidence) +
         (report.proof.empty() ? "" : std::string(kCodeOpened));
}

Status Drills::check(const protocol::DrillReportBody& report, const protocol::Sharing& sharing) {
  if (report.proof.empty()) return Done{};
  const auto& recovery_key = sharing.parameters->recovery_key;
  if (recovery_key && protocol::verify_code_opened(*recovery_key, sharing.sid, report)) return Done{};
  return Error(Code::bad_proof, "the proof that the recovery code was opened does not hold in epoch " +
                                    std::to_string(sharing.epoch));
}

void Drills::saw_code(const protocol::KeyId& key_id, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  code_opened_ms_.insert_or_assign(key_id, now_ms);
}

void Drills::count(const protocol::LogEntry& entry) {
  const bool report = entry.kind == protocol::EntryKind::result && entry.outcome == "ok" &&
                      entry.operation == static_cast<std::uint8_t>(protocol::Operation::drill_report);
  if (!report && entry.kind != protocol::EntryKind::ceremony) return;
  const std::lock_guard lock(mutex_);
  if (entry.detail.ends_with(kCodeOpened)) code_opened_ms_.insert_or_assign(entry.key_id, entry.time_ms);
  if (report && entry.detail.starts_with(begin_of(true)))
    passed_ms_.insert_or_assign(entry.key_id, entry.time_ms);
}

std::optional<std::int64_t> Drills::code_opened_ms(const protocol::KeyId& key_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = code_opened_ms_.find(key_id);
  return found == code_opened_ms_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::int64_t> Drills::last_passed_ms(const protocol::KeyId& key_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = passed_ms_.find(key_id);
  return found == passed_ms_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace coprotect::agent::custodian
