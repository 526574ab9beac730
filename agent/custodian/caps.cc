#include "agent/custodian/caps.h"

#include <algorithm>

#include "protocol/message/request.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::EntryKind;
using protocol::LogEntry;
using protocol::Operation;

constexpr std::int64_t kDayMs = std::int64_t{24} * 60 * 60 * 1000;

bool is_of(const LogEntry& entry, Operation operation) {
  return entry.operation == static_cast<std::uint8_t>(operation);
}
// Whether the entry is the intent to use a share in this way.
bool uses_share(const LogEntry& entry, Operation operation) {
  return entry.kind == EntryKind::intent && is_of(entry, operation);
}
// Whether the entry belongs to a request whose items were judged. If none was answered, it is recorded as a
// refusal. A request that a cap refused does not count.
bool asks_for_partials(const LogEntry& entry) {
  if (!is_of(entry, Operation::partial_decrypt) || entry.items.empty()) return false;
  return entry.kind == EntryKind::intent ||
         (entry.kind == EntryKind::refusal && entry.outcome != code_name(Code::limited));
}

bool recovers(const LogEntry& intent) {
  return intent.action == static_cast<std::uint8_t>(protocol::Action::recover);
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
  const bool allowed = used <= limit_ && uses <= limit_ - used;
  if (!allowed) ++hits_;
  return allowed;
}

LimitUse DailyCap::use(const std::string& name, std::int64_t now_ms) const {
  LimitUse use{"day", name, limit_, 0, hits_};
  for (const auto& [subject, day] : days_)
    if (day.number == now_ms / kDayMs) use.use = std::max(use.use, day.uses);
  return use;
}

void DailyCap::write(Writer& to) const {
  to.u32(static_cast<std::uint32_t>(days_.size()));
  for (const auto& [subject, day] : days_)
    to.lp(subject).u64(static_cast<std::uint64_t>(day.number)).u64(day.uses);
}

bool DailyCap::read(Reader& from) {
  const auto count = from.u32();
  for (std::uint32_t i = 0; count && i < *count; ++i) {
    auto subject = from.text();
    const auto number = from.u64();
    const auto uses = from.u64();
    if (!subject || !number || !uses) return false;
    days_.insert_or_assign(*std::move(subject), Day{static_cast<std::int64_t>(*number), *uses});
  }
  return count.has_value();
}

Caps::Caps(const RequestCaps& requests, std::uint64_t derived_by_key, std::uint64_t derived_by_client)
    : requests_by_key_(requests.per_key),
      requests_by_client_(requests.per_client),
      recoveries_by_key_(requests.recoveries_per_key),
      refreshes_by_key_(requests.refreshes_per_key),
      voids_by_client_(requests.voids_per_client),
      voids_by_key_(kVoidingClients * requests.voids_per_client),
      derived_by_key_(derived_by_key),
      derived_by_client_(derived_by_client) {}

Caps::Caps(const Settings& settings)
    : Caps(settings.requests, settings.derive ? settings.derive->per_key_per_day : 0,
           settings.derive ? settings.derive->per_client_per_day : 0) {}

std::array<DailyCap*, Caps::kCaps> Caps::all() {
  return {&requests_by_key_, &requests_by_client_, &recoveries_by_key_, &refreshes_by_key_,
          &voids_by_client_, &voids_by_key_,       &derived_by_key_,    &derived_by_client_};
}

std::array<const DailyCap*, Caps::kCaps> Caps::all() const {
  return {&requests_by_key_, &requests_by_client_, &recoveries_by_key_, &refreshes_by_key_,
          &voids_by_client_, &voids_by_key_,       &derived_by_key_,    &derived_by_client_};
}

void Caps::take_counts_of(const Caps& other) {
  const auto theirs = other.all();
  const auto own = all();
  for (std::size_t i = 0; i < kCaps; ++i) own[i]->take_counts_of(*theirs[i]);
}

void Caps::write(Writer& to) const {
  for (const DailyCap* const cap : all()) cap->write(to);
}

bool Caps::read(Reader& from) {
  const auto caps = all();
  return std::ranges::all_of(caps, [&](DailyCap* cap) { return cap->read(from); });
}

void Caps::use(const RequestCaps& caps) {
  requests_by_key_.set_limit(caps.per_key);
  requests_by_client_.set_limit(caps.per_client);
  recoveries_by_key_.set_limit(caps.recoveries_per_key);
  refreshes_by_key_.set_limit(caps.refreshes_per_key);
  voids_by_client_.set_limit(caps.voids_per_client);
  voids_by_key_.set_limit(kVoidingClients * caps.voids_per_client);
}

std::vector<LimitUse> Caps::uses(std::int64_t now_ms) const {
  std::vector<LimitUse> all = {requests_by_key_.use("requests_per_key_per_day", now_ms),
                               requests_by_client_.use("requests_per_client_per_day", now_ms),
                               recoveries_by_key_.use("recoveries_per_key_per_day", now_ms),
                               refreshes_by_key_.use("refreshes_per_key_per_day", now_ms),
                               voids_by_client_.use("voids_per_client_per_day", now_ms),
                               voids_by_key_.use("voids_per_key_per_day", now_ms)};
  if (derived_by_key_.limit() == 0) return all;
  all.push_back(derived_by_key_.use("derive.per_key_per_day", now_ms));
  all.push_back(derived_by_client_.use("derive.per_client_per_day", now_ms));
  return all;
}

void Caps::count(const LogEntry& entry) {
  const std::string key = to_hex(entry.key_id);
  if (entry.kind == EntryKind::ceremony) {
    if (entry.detail.ends_with(kRefresh)) refreshes_by_key_.add(key, 1, entry.time_ms);
    if (entry.detail.ends_with(kVoid) || entry.detail == kAborted)
      voids_by_client_.add(entry.client, 1, entry.time_ms);
    if (entry.detail.ends_with(kVoid)) voids_by_key_.add(key, 1, entry.time_ms);
  }
  if (asks_for_partials(entry)) {
    if (recovers(entry)) return recoveries_by_key_.add(key, 1, entry.time_ms);
    requests_by_client_.add(entry.client, 1, entry.time_ms);
    if (entry.kind == EntryKind::intent) requests_by_key_.add(key, 1, entry.time_ms);
  }
  if (!uses_share(entry, Operation::derive)) return;
  derived_by_key_.add(key, entry.items.size(), entry.time_ms);
  derived_by_client_.add(entry.client, entry.items.size(), entry.time_ms);
}

Status Caps::admit(Transaction& transaction, const LogEntry& intent) {
  if (asks_for_partials(intent))
    if (auto below = check_requests(intent); !below) return below;
  if (uses_share(intent, Operation::derive))
    if (auto below = check_derivations(intent); !below) return below;
  transaction.after_commit([this, intent] { count(intent); });
  return Done{};
}

Status Caps::check_refresh(const protocol::KeyId& key_id, std::int64_t now_ms) const {
  if (refreshes_by_key_.allows(to_hex(key_id), 1, now_ms)) return Done{};
  return used_up("the key's", refreshes_by_key_.limit(), "refreshes");
}

Status Caps::check_void(const std::string& client, const protocol::KeyId& key_id, std::int64_t now_ms) const {
  if (!voids_by_client_.allows(client, 1, now_ms))
    return used_up("the client's", voids_by_client_.limit(), "aborts of what was not prepared");
  if (!voids_by_key_.allows(to_hex(key_id), 1, now_ms))
    return used_up("the key's", voids_by_key_.limit(), "aborts of what was not prepared");
  return Done{};
}

Status Caps::check_aborts(const std::string& invitation, std::int64_t now_ms) const {
  if (voids_by_client_.allows(invitation, 1, now_ms)) return Done{};
  return used_up("the invitation's", voids_by_client_.limit(), "key generations that are aborted");
}

Status Caps::check_requests(const LogEntry& intent) const {
  const std::string key = to_hex(intent.key_id);
  if (recovers(intent)) {
    if (recoveries_by_key_.allows(key, 1, intent.time_ms)) return Done{};
    return used_up("the key's", recoveries_by_key_.limit(), "recoveries");
  }
  if (!requests_by_client_.allows(intent.client, 1, intent.time_ms))
    return used_up("the client's", requests_by_client_.limit(), "requests");
  if (intent.kind == EntryKind::intent && !requests_by_key_.allows(key, 1, intent.time_ms))
    return used_up("the key's", requests_by_key_.limit(), "requests");
  return Done{};
}

Status Caps::check_derivations(const LogEntry& intent) const {
  const std::size_t values = intent.items.size();
  if (!derived_by_key_.allows(to_hex(intent.key_id), values, intent.time_ms))
    return used_up("the key's", derived_by_key_.limit(), "derivations");
  if (!derived_by_client_.allows(intent.client, values, intent.time_ms))
    return used_up("the client's", derived_by_client_.limit(), "derivations");
  return Done{};
}

}  // namespace coprotect::agent::custodian
