#include "agent/custodian/refusals.h"

#include "agent/custodian/record.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {

protocol::LogEntry Refusals::summary(const Minute& minute) {
  unsigned count = 0;
  std::string by_outcome;
  for (const auto& [outcome, times] : minute.counted) {
    count += times;
    by_outcome += (by_outcome.empty() ? "" : ", ") + outcome + " " + std::to_string(times);
  }
  auto entry =
      entry_of(protocol::EntryKind::refusal, minute.first.tenant, minute.since_ms + Refusals::kMinuteMs);
  entry.operation = static_cast<std::uint8_t>(protocol::Recorded::refusals);
  entry.client = minute.first.client;
  entry.request_hash = minute.hashes;
  entry.outcome = code_name(Code::limited);
  entry.detail = shortened(std::to_string(count) + " more refusals within a minute: " + by_outcome);
  return entry;
}

Status Refusals::add(const Digest& source, protocol::LogEntry refusal) {
  {
    const std::lock_guard lock(mutex_);
    auto& minute = minutes_.try_emplace(source, Minute{.since_ms = refusal.time_ms}).first->second;
    const bool over = refusal.time_ms - minute.since_ms >= kMinuteMs || refusal.time_ms < minute.since_ms;
    if (over && minute.counted.empty()) minute = {.since_ms = refusal.time_ms};
    if (++minute.refused > kEach) {
      if (minute.counted.empty()) minute.first = refusal;
      ++minute.counted[refusal.outcome];
      Writer hashes;
      hashes.bytes(minute.hashes).bytes(refusal.request_hash);
      minute.hashes = protocol::sha256(hashes.view());
      return Done{};
    }
  }
  return write(std::move(refusal));
}

void Refusals::sweep(std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  std::erase_if(minutes_, [&](const auto& one) {
    const Minute& minute = one.second;
    if (now_ms - minute.since_ms < kMinuteMs && now_ms >= minute.since_ms) return false;
    // A count that cannot be written now is retried.
    return minute.counted.empty() || static_cast<bool>(write(summary(minute)));
  });
}

Status Refusals::write(protocol::LogEntry entry) {
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  if (auto appended = log_.append(*transaction, std::move(entry)); !appended) return appended;
  return transaction->commit();
}

}  // namespace coprotect::agent::custodian
