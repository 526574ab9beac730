#include "agent/custodian/record.h"

#include <algorithm>

#include "agent/custodian/server_policy.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::EntryKind;
using protocol::ItemStatus;
using protocol::LogEntry;

constexpr std::size_t kMaxDetail = 500;
constexpr std::string_view kOk = "ok";

std::string_view code_of(ItemStatus status) {
  switch (status) {
    case ItemStatus::done:
      return kOk;
    case ItemStatus::denied_by_file:
    case ItemStatus::denied_by_server:
      return code_name(Code::denied);
    case ItemStatus::bad_proof:
      return code_name(Code::bad_proof);
    case ItemStatus::malformed:
      return code_name(Code::malformed);
  }
  return code_name(Code::internal);
}

}  // namespace

std::string shortened(std::string_view text) {
  if (text.size() <= kMaxDetail) return std::string(text);
  std::size_t end = kMaxDetail;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;  // not within a UTF-8 sequence
  return std::string(text.substr(0, end));
}

LogEntry entry_of(EntryKind kind, const std::string& tenant, std::int64_t now_ms) {
  LogEntry entry{};
  entry.kind = kind;
  entry.tenant = tenant;
  entry.time_ms = now_ms;
  entry.outcome = kOk;
  return entry;
}

Record::Record(const protocol::SignedRequest::Envelope& envelope, const RequestId& id)
    : entry_{}, operation_(operation_name(envelope.operation)) {
  const auto& request = envelope.request;
  entry_.tenant = request.tenant;
  entry_.key_id = request.key_id;
  entry_.request_id = id;
  entry_.request_hash = envelope.hash;
  entry_.action = static_cast<std::uint8_t>(request.action);
  entry_.reason = request.reason;
}

void Record::set_items(std::span<const Decision> decisions) {
  entry_.items.clear();
  for (const auto& decision : decisions)
    entry_.items.push_back({protocol::sha256(decision.base.encode()), decision.status});
}

LogEntry Record::refusal(const Error& why, std::int64_t now_ms) const {
  LogEntry entry = entry_;
  entry.kind = EntryKind::refusal;
  entry.time_ms = now_ms;
  entry.outcome = code_name(why.code());
  entry.detail = shortened(operation_ + ": " + why.message());
  return entry;
}

std::string_view Record::outcome() const {
  const auto done = [](const auto& item) { return item.status == ItemStatus::done; };
  const auto& items = entry_.items;
  if (items.empty() || std::any_of(items.begin(), items.end(), done)) return kOk;
  return code_of(items.front().status);
}

LogEntry Record::intent(std::int64_t now_ms) const {
  LogEntry entry = entry_;
  entry.time_ms = now_ms;
  entry.kind = outcome() == kOk ? EntryKind::intent : EntryKind::refusal;
  entry.outcome = outcome();
  entry.detail = operation_;
  return entry;
}

LogEntry Record::result(const std::optional<Error>& error, std::int64_t now_ms) const {
  LogEntry entry = entry_;
  entry.kind = EntryKind::result;
  entry.time_ms = now_ms;
  entry.outcome = error ? code_name(error->code()) : outcome();
  entry.detail = error ? shortened(operation_ + ": " + error->message()) : operation_;
  return entry;
}

}  // namespace coprotect::agent::custodian
