#include "agent/custodian/server_policy.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::Action;
using protocol::Operation;
using protocol::Role;

constexpr std::int64_t kDayMs = std::int64_t{24} * 60 * 60 * 1000;

Error needs(std::string_view what, std::string_view roles) {
  return {Code::denied, std::string(what).append(" needs a certificate of role ").append(roles)};
}

}  // namespace

std::string_view operation_name(Operation operation) {
  switch (operation) {
    case Operation::partial_decrypt:
      return "partial-decrypt";
    case Operation::recovery_share:
      return "recovery-share";
    case Operation::log:
      return "log";
  }
  return "unknown";
}

Status ServerPolicy::check(const protocol::Request& request, const protocol::ClientIdentity& client,
                           protocol::Purpose purpose) const {
  const bool recovery = client.role == Role::recovery;
  if (request.action == Action::recover) {
    if (!recovery) return needs("action recover", "recovery");
    if (!allow_recover) return Error(Code::denied, "this agent does not allow action recover");
  }
  switch (request.operation()) {
    case Operation::partial_decrypt:
      if (purpose != protocol::Purpose::envelope) return Error(Code::denied, "the key is not for files");
      return Done{};
    case Operation::recovery_share:
      if (!recovery && client.role != Role::admin) return needs("recovery-share", "recovery or admin");
      return Done{};
    case Operation::log:
      if (client.role != Role::admin) return needs("log", "admin");
      return Done{};
  }
  return Error(Code::malformed, "unknown operation");
}

void DailyCap::add(const protocol::KeyId& key_id, std::int64_t time_ms) {
  Day& day = days_[key_id];
  const std::int64_t number = time_ms / kDayMs;
  if (day.number != number) day = {number, 0};
  ++day.requests;
}

void DailyCap::count(const protocol::LogEntry& entry) {
  if (entry.kind == protocol::EntryKind::intent && entry.detail == operation_name(Operation::partial_decrypt))
    add(entry.key_id, entry.time_ms);
}

Status DailyCap::admit(Transaction& transaction, const protocol::KeyId& key_id, std::int64_t now_ms) {
  const auto day = days_.find(key_id);
  if (day != days_.end() && day->second.number == now_ms / kDayMs && day->second.requests >= per_key_)
    return Error(Code::limited, "the key's " + std::to_string(per_key_) + " requests of today are used up");
  transaction.after_commit([this, key_id, now_ms] { add(key_id, now_ms); });
  return Done{};
}

}  // namespace coprotect::agent::custodian
