#include "agent/custodian/caps.h"

#include "protocol/message/request.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::EntryKind;
using protocol::LogEntry;
using protocol::Operation;

constexpr std::int64_t kDayMs = std::int64_t{24} * 60 * 60 * 1000;

// Whether the entry is the intent to use a share in this way.
bool uses_share(const LogEntry& entry, Operation operation) {
  return entry.kind == EntryKind::intent && entry.operation == static_cast<std::uint8_t>(operation);
}

Error used_up(const std::string& whose, std::uint64_t limit, std::string_view what) {
  return {Code::limited,
          whose + " " + std::to_string(limit) + " " + std::string(what) + " of today are used up"};
}

}  // namespace

void DailyCap::add(const std::string& subject, std::uint64_t uses, std::int64_t time_ms) {
  Day& day = days_[subject];
  const std::int64_t number = time_ms / kDayMs;
  if (day.number != number) day = {number, 0};
  day.uses += uses;
}

bool DailyCap::allows(const std::string& subject, std::uint64_t uses, std::int64_t now_ms) const {
  const auto day = days_.find(subject);
  const bool today = day != days_.end() && day->second.number == now_ms / kDayMs;
  const std::uint64_t used = today ? day->second.uses : 0;
  return used <= limit_ && uses <= limit_ - used;
}

Caps::Caps(const Settings& settings)
    : requests_(settings.requests_per_key_per_day),
      derived_by_key_(settings.derive ? settings.derive->per_key_per_day : 0),
      derived_by_client_(settings.derive ? settings.derive->per_client_per_day : 0) {}

void Caps::count(const LogEntry& entry) {
  const std::string key = to_hex(entry.key_id);
  if (uses_share(entry, Operation::partial_decrypt)) requests_.add(key, 1, entry.time_ms);
  if (!uses_share(entry, Operation::derive)) return;
  derived_by_key_.add(key, entry.items.size(), entry.time_ms);
  derived_by_client_.add(entry.client, entry.items.size(), entry.time_ms);
}

Status Caps::admit(Transaction& transaction, const LogEntry& intent) {
  const std::string key = to_hex(intent.key_id);
  if (uses_share(intent, Operation::partial_decrypt) && !requests_.allows(key, 1, intent.time_ms))
    return used_up("the key's", requests_.limit(), "requests");
  if (uses_share(intent, Operation::derive)) {
    const std::size_t values = intent.items.size();
    if (!derived_by_key_.allows(key, values, intent.time_ms))
      return used_up("the key's", derived_by_key_.limit(), "derivations");
    if (!derived_by_client_.allows(intent.client, values, intent.time_ms))
      return used_up("the client's", derived_by_client_.limit(), "derivations");
  }
  transaction.after_commit([this, intent] { count(intent); });
  return Done{};
}

}  // namespace coprotect::agent::custodian
