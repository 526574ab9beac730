#include "protocol/message/log.h"

#include "protocol/crypto/hash.h"
#include "protocol/message/fields.h"
#include "protocol/message/handover.h"

namespace coprotect::protocol {
namespace {

constexpr std::uint8_t kEntryVersion = 1;
constexpr std::string_view kHead = "CPLH\x01";
constexpr std::size_t kMaxLines = 1000;  // the limit of one request

Error not_an_entry() {
  return {Code::malformed, "not a log entry of version 1"};
}
Error not_a_head() {
  return {Code::malformed, "not a log head of version 1"};
}
Error not_a_reply() {
  return {Code::malformed, "not a log reply"};
}

Bytes signed_part(const PublicKeyBytes& identity_key, std::uint64_t seq, std::int64_t time_ms,
                  const Digest& chain) {
  Writer w;
  w.literal(kHead).bytes(identity_key).u64(seq);
  write_time(w, time_ms);
  w.bytes(chain);
  return std::move(w).take();
}

Digest head_digest(ByteView signed_bytes) {
  return tagged_hash("CPV1-HEAD", {sha256(signed_bytes)});
}

// "ok" or the name of a Code (SPEC.md §7.5).
bool valid_outcome(std::string_view outcome) {
  if (outcome == "ok") return true;
  for (auto code = Code::malformed; code <= Code::internal;
       code = static_cast<Code>(static_cast<int>(code) + 1)) {
    if (outcome == code_name(code)) return true;
  }
  return false;
}

bool is_handover(std::uint8_t operation) {
  return operation == static_cast<std::uint8_t>(Operation::handover);
}

std::optional<LogEntry::Step> read_step(Reader& r) {
  const auto step = r.u8();
  const auto sid = r.array<32>();
  const auto payload = r.array<32>();
  if (!step || *step > static_cast<std::uint8_t>(HandoverStep::consent) || !sid || !payload)
    return std::nullopt;
  return LogEntry::Step{.step = *step, .sid = *sid, .payload = *payload};
}

std::optional<std::string> read_client(Reader& r) {
  auto client = r.text();
  if (!client || (!client->empty() && !valid_uri(*client))) return std::nullopt;
  return client;
}

std::optional<std::vector<LogEntry::Item>> read_items(Reader& r) {
  const auto count = r.u16();
  if (!count) return std::nullopt;
  std::vector<LogEntry::Item> items;
  for (std::size_t i = 0; i < *count; ++i) {
    const auto c1_hash = r.array<32>();
    const auto status = r.u8();
    if (!c1_hash || !status || *status > static_cast<std::uint8_t>(ItemStatus::malformed))
      return std::nullopt;
    items.push_back({.c1_hash = *c1_hash, .status = static_cast<ItemStatus>(*status)});
  }
  return items;
}

}  // namespace

std::string_view recorded_name(std::uint8_t operation) {
  switch (static_cast<Recorded>(operation)) {
    case Recorded::nothing:
      return "-";
    case Recorded::read_bundle:
      return "read-bundle";
    case Recorded::read_client_list:
      return "read-client-list";
    case Recorded::put_client_list:
      return "put-client-list";
    case Recorded::read_key_list:
      return "read-key-list";
    case Recorded::put_key_list:
      return "put-key-list";
    case Recorded::ceremony:
      return "ceremony";
    case Recorded::refusals:
      return "refusals";
    case Recorded::hold_erasure:
      return "hold-erasure";
    case Recorded::release_erasure:
      return "release-erasure";
    case Recorded::cut_log:
      return "cut-log";
  }
  return operation <= static_cast<std::uint8_t>(Operation::drill_report)
             ? operation_name(static_cast<Operation>(operation))
             : "?";
}

std::string_view entry_kind_name(EntryKind kind) {
  switch (kind) {
    case EntryKind::intent:
      return "intent";
    case EntryKind::result:
      return "result";
    case EntryKind::refusal:
      return "refusal";
    case EntryKind::ceremony:
      return "ceremony";
    case EntryKind::key_list:
      return "key-list";
    case EntryKind::client_list:
      return "client-list";
    case EntryKind::store:
      return "store";
  }
  std::abort();
}

Bytes LogEntry::encode() const {
  Writer w;
  w.u8(kEntryVersion).u64(seq);
  write_time(w, time_ms);
  w.u8(static_cast<std::uint8_t>(kind))
      .u8(operation)
      .lp(tenant)
      .bytes(key_id)
      .lp(client)
      .bytes(request_id)
      .bytes(request_hash);
  w.u8(action).lp(reason).lp(outcome).lp(detail);
  invariant(items.size() <= std::numeric_limits<std::uint16_t>::max());
  w.u16(static_cast<std::uint16_t>(items.size()));
  for (const Item& item : items) w.bytes(item.c1_hash).u8(static_cast<std::uint8_t>(item.status));
  invariant(handover.has_value() == is_handover(operation));
  if (handover) w.u8(handover->step).bytes(handover->sid).bytes(handover->payload);
  return std::move(w).take();
}

Result<LogEntry> LogEntry::parse(ByteView encoded) {
  Reader r(encoded);
  if (r.u8() != kEntryVersion) return not_an_entry();
  const auto seq = r.u64();
  const auto time_ms = read_time(r);
  const auto kind = r.u8();
  const auto operation = r.u8();
  auto tenant = read_tenant(r);
  const auto key_id = r.array<32>();
  auto client = read_client(r);
  const auto request_id = r.array<8>();
  const auto request_hash = r.array<32>();
  const auto action = r.u8();
  auto reason = read_text(r);
  auto outcome = read_text(r);
  auto detail = read_text(r);
  auto items = read_items(r);
  std::optional<LogEntry::Step> handover;
  if (operation && is_handover(*operation)) {
    handover = read_step(r);
    if (!handover) return not_an_entry();
  }
  if (!seq || *seq == 0 || !time_ms || !kind || !operation || !tenant || !key_id || !client || !request_id ||
      !request_hash || !action || !reason || !outcome || !detail || !items || !r.empty()) {
    return not_an_entry();
  }
  if (*kind < static_cast<std::uint8_t>(EntryKind::intent) ||
      *kind > static_cast<std::uint8_t>(EntryKind::store) || recorded_name(*operation) == "?" ||
      *action > static_cast<std::uint8_t>(Action::recover) || !valid_outcome(*outcome)) {
    return not_an_entry();
  }
  return LogEntry{
      .seq = *seq,
      .time_ms = *time_ms,
      .kind = static_cast<EntryKind>(*kind),
      .operation = *operation,
      .tenant = *std::move(tenant),
      .key_id = *key_id,
      .client = *std::move(client),
      .request_id = *request_id,
      .request_hash = *request_hash,
      .action = *action,
      .reason = *std::move(reason),
      .outcome = *std::move(outcome),
      .detail = *std::move(detail),
      .items = *std::move(items),
      .handover = handover,
  };
}

Digest chain_next(const Digest& previous, const Digest& entry_hash) {
  return tagged_hash("CPV1-LOG", {previous, entry_hash});
}

LogHead LogHead::sign(std::uint64_t seq, std::int64_t time_ms, const Digest& chain,
                      const SigningKey& identity) {
  const PublicKeyBytes& identity_key = identity.public_key().bytes();
  return {.identity_key = identity_key,
          .seq = seq,
          .time_ms = time_ms,
          .chain = chain,
          .signature = identity.sign(head_digest(signed_part(identity_key, seq, time_ms, chain)))};
}

Bytes LogHead::encode() const {
  Bytes encoded = signed_part(identity_key, seq, time_ms, chain);
  encoded.insert(encoded.end(), signature.begin(), signature.end());
  return encoded;
}

Result<LogHead> LogHead::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kHead)) return not_a_head();
  const auto identity_key = r.array<33>();
  const auto seq = r.u64();
  const auto time_ms = read_time(r);
  const auto chain = r.array<32>();
  const ByteView signed_bytes = encoded.first(encoded.size() - r.size());
  const auto signature = r.array<64>();
  if (!identity_key || !seq || !time_ms || !chain || !signature || !r.empty()) return not_a_head();
  const auto key = VerifyKey::parse(*identity_key);
  if (!key) return not_a_head();
  if (!key->verify(head_digest(signed_bytes), *signature)) {
    return Error(Code::unauthenticated, "log head: signature does not hold");
  }
  return LogHead{.identity_key = *identity_key,
                 .seq = *seq,
                 .time_ms = *time_ms,
                 .chain = *chain,
                 .signature = *signature};
}

Bytes LogReply::encode() const {
  invariant(lines.size() <= kMaxLines);
  Writer w;
  w.lp(head).lp(cut).bytes(before).u16(static_cast<std::uint16_t>(lines.size()));
  for (const Line& line : lines) {
    w.lp4(line.entry);
    if (line.entry.empty()) w.bytes(line.hash);
  }
  return std::move(w).take();
}

Result<LogReply> LogReply::parse(ByteView encoded) {
  Reader r(encoded);
  const auto head = r.lp();
  const auto cut = r.lp();
  const auto before = r.array<32>();
  const auto count = r.u16();
  if (!head || !cut || !before || !count || *count > kMaxLines) return not_a_reply();
  LogReply reply{.head = to_bytes(*head), .cut = to_bytes(*cut), .before = *before, .lines = {}};
  for (std::size_t i = 0; i < *count; ++i) {
    const auto entry = r.lp4();
    if (!entry) return not_a_reply();
    const auto hash = entry->empty() ? r.array<32>() : sha256(*entry);
    if (!hash) return not_a_reply();
    reply.lines.push_back({.entry = to_bytes(*entry), .hash = *hash});
  }
  if (!r.empty()) return not_a_reply();
  return reply;
}

}  // namespace coprotect::protocol
