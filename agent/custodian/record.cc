#include "agent/custodian/record.h"

#include <algorithm>

#include "protocol/base/reader.h"
#include "protocol/base/text.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::EntryKind;
using protocol::ItemStatus;
using protocol::LogEntry;

constexpr std::size_t kMaxDetail = 500;
constexpr std::string_view kOk = "ok";
constexpr auto kHandover = static_cast<std::uint8_t>(protocol::Operation::handover);

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

protocol::Recorded recorded_as(EntryKind kind) {
  switch (kind) {
    case EntryKind::ceremony:
      return protocol::Recorded::ceremony;
    case EntryKind::client_list:
      return protocol::Recorded::put_client_list;
    case EntryKind::key_list:
      return protocol::Recorded::put_key_list;
    default:
      return protocol::Recorded::nothing;
  }
}

// The sid of the plan in a payload, as sent; zeros if there is none. A version, or a request that begins with
// one, contains the plan (SPEC.md §13.4, §13.6).
Digest plan_named_by(ByteView payload) {
  Reader r(payload);
  if (r.literal("CPHR\x01")) {
    const auto version = r.lp4();
    return version ? plan_named_by(*version) : Digest{};
  }
  if (!r.literal("CPHQ\x01") && !r.literal("CPHA\x01") && !r.literal("CPVN\x01")) return {};
  const auto plan = r.lp4();
  return plan ? protocol::tagged_hash("CPV1-HANDOVER-SID", {protocol::sha256(*plan)}) : Digest{};
}

}  // namespace

std::string shortened(std::string_view text) {
  return std::string(beginning_of(text, kMaxDetail));
}

LogEntry entry_of(EntryKind kind, const std::string& tenant, std::int64_t now_ms) {
  LogEntry entry{};
  entry.kind = kind;
  entry.operation = static_cast<std::uint8_t>(recorded_as(kind));
  entry.tenant = tenant;
  entry.time_ms = now_ms;
  entry.outcome = kOk;
  return entry;
}

Record::Record(std::uint8_t operation, std::string_view what, const RequestId& id, ByteView presented)
    : entry_{}, what_(what) {
  entry_.operation = operation;
  entry_.request_id = id;
  entry_.request_hash = protocol::sha256(presented);
  if (operation == kHandover) entry_.handover = LogEntry::Step{};
}

void Record::set_caller(const Peer& peer, const Digest& certificate) {
  if (!peer.tenant()) return;
  entry_.tenant = *peer.tenant();
  entry_.client = peer.uri();
  source_ = certificate;
}

void Record::set_relay(const Key& key, const Digest& certificate) {
  entry_.tenant = key.tenant();
  source_ = certificate;
}

void Record::set_request(const protocol::SignedRequest::Envelope& envelope) {
  const auto& request = envelope.request;
  what_ = operation_name(envelope.operation);
  entry_.operation = static_cast<std::uint8_t>(envelope.operation);
  entry_.handover.reset();
  if (entry_.operation == kHandover) set_step(envelope.body);
  entry_.key_id = request.key_id;
  entry_.action = static_cast<std::uint8_t>(request.action);
  entry_.reason = request.reason;
}

void Record::set_client(const Client& client) {
  if (!has_log()) source_ = client.key_hash;
  entry_.tenant = client.key->tenant();
  entry_.client = client.identity.uri;
}

// Whoever signed it and whatever the reason for a refusal, this is what was requested.
void Record::set_step(ByteView body) {
  entry_.handover = LogEntry::Step{};
  const auto step = protocol::HandoverBody::parse(body);
  if (!step) return;
  what_ += " " + std::string(step_name(step->step));
  entry_.handover = LogEntry::Step{.step = static_cast<std::uint8_t>(step->step),
                                   .sid = plan_named_by(step->payload),
                                   .payload = protocol::sha256(step->payload)};
}

void Record::set_items(std::span<const Decision> decisions) {
  entry_.items.clear();
  for (const auto& decision : decisions) entry_.items.push_back({decision.base_hash, decision.status});
}

LogEntry Record::refusal(const Error& why, std::int64_t now_ms) const {
  LogEntry entry = entry_;
  entry.kind = EntryKind::refusal;
  entry.time_ms = now_ms;
  entry.outcome = code_name(why.code());
  entry.detail = shortened(what_ + ": " + why.message());
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
  entry.detail = what_;
  return entry;
}

LogEntry Record::result(const std::optional<Error>& error, std::int64_t now_ms) const {
  LogEntry entry = entry_;
  entry.kind = EntryKind::result;
  entry.time_ms = now_ms;
  entry.outcome = error ? code_name(error->code()) : outcome();
  entry.detail = error ? shortened(what_ + ": " + error->message()) : what_;
  return entry;
}

}  // namespace coprotect::agent::custodian
