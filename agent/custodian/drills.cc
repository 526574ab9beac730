#include "agent/custodian/drills.h"

#include "protocol/message/drill_signature.h"

namespace coprotect::agent::custodian {
namespace {

std::string begin_of(bool passed) {
  return std::string(operation_name(protocol::Operation::drill_report)) +
         (passed ? ": passed " : ": failed ");
}

bool is_report(const protocol::LogEntry& entry) {
  return entry.kind == protocol::EntryKind::result && entry.outcome == "ok" &&
         entry.operation == static_cast<std::uint8_t>(protocol::Operation::drill_report);
}

}  // namespace

bool renewed_code(const Key& key) {
  const protocol::Sharing* const before = key.bundle->sharing_before();
  if (before == nullptr) return false;
  const auto plan = protocol::HandoverVersion::plan_of(key.bundle->newest());
  return plan && plan->renews_code(*before);
}

bool went_on(const KeyPtr& before, const KeyPtr& after) {
  return after != nullptr && (before == nullptr || before->epoch() != after->epoch());
}

std::string Drills::detail_of(const protocol::DrillReportBody& report) {
  if (report.of_code_alone())
    return std::string(operation_name(protocol::Operation::drill_report)) + ": no quorum" +
           std::string(kCodeOpened);
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

void Drills::expect_code(const protocol::KeyId& key_id) {
  const std::lock_guard lock(mutex_);
  Seen& seen = code_opened_[key_id];
  seen = {.last_ms = std::nullopt, .before_ms = seen.last_ms};
}

void Drills::take_code_back(const protocol::KeyId& key_id) {
  const std::lock_guard lock(mutex_);
  Seen& seen = code_opened_[key_id];
  seen.last_ms = seen.before_ms;
}

bool Drills::passed(const protocol::LogEntry& entry) {
  return is_report(entry) && entry.detail.starts_with(begin_of(true));
}

bool Drills::opened_code(const protocol::LogEntry& entry) {
  return is_report(entry) && entry.detail.ends_with(kCodeOpened);
}

bool Drills::changes_code(const protocol::LogEntry& entry) {
  return entry.kind == protocol::EntryKind::ceremony &&
         (entry.detail.ends_with(kCodeRenewed) || entry.detail.ends_with(kCodeTakenBack));
}

void Drills::count(const protocol::LogEntry& entry) {
  if (changes_code(entry))
    return entry.detail.ends_with(kCodeRenewed) ? expect_code(entry.key_id) : take_code_back(entry.key_id);
  const std::lock_guard lock(mutex_);
  if (opened_code(entry)) code_opened_[entry.key_id].last_ms = entry.time_ms;
  if (passed(entry)) passed_ms_.insert_or_assign(entry.key_id, entry.time_ms);
}

std::optional<std::int64_t> Drills::code_opened_ms(const protocol::KeyId& key_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = code_opened_.find(key_id);
  return found == code_opened_.end() ? std::nullopt : found->second.last_ms;
}

std::optional<std::int64_t> Drills::last_passed_ms(const protocol::KeyId& key_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = passed_ms_.find(key_id);
  return found == passed_ms_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace coprotect::agent::custodian
