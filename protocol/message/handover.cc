#include "protocol/message/handover.h"

#include "protocol/message/fields.h"
#include "protocol/message/malformed_handover.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kDeal = "CPHQ\x01";
constexpr std::string_view kPrepare = "CPHP\x01";
constexpr std::string_view kRetire = "CPHR\x01";
constexpr std::string_view kAbort = "CPHA\x01";
constexpr std::string_view kJoin = "CPHJ\x01";
constexpr std::string_view kVoid = "CPHV\x01";
constexpr std::string_view kHandoverStatus = "CPHS\x01";
constexpr std::string_view kJoinTag = "CPV1-JOIN";
constexpr std::string_view kVoidTag = "CPV1-VOID";

void write_list(Writer& w, const std::vector<Bytes>& list) {
  w.u8(static_cast<std::uint8_t>(list.size()));
  for (const Bytes& bytes : list) w.lp4(bytes);
}

std::optional<std::vector<Bytes>> read_list(Reader& r) {
  const auto count = r.u8();
  if (!count || *count > kMaxShares) return std::nullopt;
  std::vector<Bytes> list;
  for (std::uint8_t i = 0; i < *count; ++i) {
    const auto bytes = r.lp4();
    if (!bytes) return std::nullopt;
    list.push_back(to_bytes(*bytes));
  }
  return list;
}

void write_statements(Writer& w, const std::vector<Statement>& statements) {
  w.u8(static_cast<std::uint8_t>(statements.size()));
  for (const Statement& statement : statements) w.bytes(statement.party).bytes(statement.signature);
}

std::optional<std::vector<Statement>> read_statements(Reader& r) {
  const auto count = r.u8();
  if (!count || *count > kMaxShares) return std::nullopt;
  std::vector<Statement> statements;
  for (std::uint8_t i = 0; i < *count; ++i) {
    const auto party = read_public_key(r);
    const auto signature = r.array<64>();
    if (!party || !signature) return std::nullopt;
    statements.push_back({*party, *signature});
  }
  return statements;
}

bool ends_with_mac(const Secret& secret, std::string_view tag, ByteView encoded) {
  if (encoded.size() < kInvitationMacSize) return false;
  const ByteView covered = encoded.first(encoded.size() - kInvitationMacSize);
  return equal_in_constant_time(invitation_mac(secret, tag, covered), encoded.last(kInvitationMacSize));
}

// Several parties' statements about a content: lp4(content) ‖ statements.
Bytes encode_with_statements(std::string_view magic, ByteView about,
                             const std::vector<Statement>& statements) {
  Writer w;
  w.literal(magic).lp4(about);
  write_statements(w, statements);
  return std::move(w).take();
}

std::optional<std::pair<Bytes, std::vector<Statement>>> parse_with_statements(std::string_view magic,
                                                                              ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(magic);
  const auto about = r.lp4();
  auto statements = read_statements(r);
  if (!known || !about || !statements || !r.empty()) return std::nullopt;
  return std::pair(to_bytes(*about), *std::move(statements));
}

// A flag, and the time if there is one.
void write_optional_time(Writer& w, const std::optional<std::int64_t>& time_ms) {
  w.u8(time_ms ? 1 : 0);
  if (time_ms) write_time(w, *time_ms);
}

// Whether it could be read.
bool read_optional_time(Reader& r, std::optional<std::int64_t>& time_ms) {
  const auto given = read_flag(r);
  if (given == true) time_ms = read_time(r);
  return given && *given == time_ms.has_value();
}

void write_condition(Writer& w, const HandoverStatus::Condition& condition) {
  write_optional_time(w, condition.parts_verified_ms);
  write_optional_time(w, condition.code_opened_ms);
  w.lp(condition.recovery).lp(condition.contacts);
  w.u8(condition.erased ? 2 : condition.erasure_held ? 1 : 0).lp(condition.erasure);
}

std::optional<HandoverStatus::Condition> read_condition(Reader& r) {
  HandoverStatus::Condition condition;
  if (!read_optional_time(r, condition.parts_verified_ms) || !read_optional_time(r, condition.code_opened_ms))
    return std::nullopt;
  auto recovery = read_text(r, kMaxConditionText);
  auto contacts = read_text(r, kMaxConditionText);
  const auto state = r.u8();
  auto erasure = read_text(r, kMaxConditionText);
  if (!recovery || !contacts || !state || *state > 2 || !erasure) return std::nullopt;
  condition.recovery = *std::move(recovery);
  condition.contacts = *std::move(contacts);
  condition.erasure_held = *state == 1;
  condition.erased = *state == 2;
  condition.erasure = *std::move(erasure);
  return condition;
}

}  // namespace

std::string_view step_name(HandoverStep step) {
  switch (step) {
    case HandoverStep::status:
      return "status";
    case HandoverStep::announce:
      return "announce";
    case HandoverStep::offer:
      return "offer";
    case HandoverStep::deal:
      return "deal";
    case HandoverStep::prepare:
      return "prepare";
    case HandoverStep::activate:
      return "activate";
    case HandoverStep::retire:
      return "retire";
    case HandoverStep::abort:
      return "abort";
    case HandoverStep::veto:
      return "veto";
    case HandoverStep::consent:
      return "consent";
  }
  return "unknown";
}

Bytes DealRequest::encode() const {
  Writer w;
  w.literal(kDeal).lp4(plan).u8(static_cast<std::uint8_t>(offers.size()));
  for (const HandoverOffer& offer : offers) w.lp4(offer.encode());
  write_list(w, consents);
  w.lp(recovery_proof);
  return std::move(w).take();
}

Result<DealRequest> DealRequest::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kDeal);
  const auto plan = r.lp4();
  const auto offers = read_list(r);
  if (!known || !plan || !offers) return malformed_handover("a request to deal");
  DealRequest request{.plan = to_bytes(*plan), .offers = {}, .consents = {}};
  for (const Bytes& encoded_offer : *offers) {
    auto offer = HandoverOffer::parse(encoded_offer);
    if (!offer) return std::move(offer).error();
    request.offers.push_back(*std::move(offer));
  }
  auto consents = read_list(r);
  const auto recovery_proof = r.lp();
  if (!consents || !recovery_proof || !r.empty()) return malformed_handover("a request to deal");
  request.consents = *std::move(consents);
  request.recovery_proof = to_bytes(*recovery_proof);
  return request;
}

Bytes PrepareRequest::encode() const {
  Writer w;
  w.literal(kPrepare);
  write_list(w, deals);
  w.lp4(blob).lp(possession);
  return std::move(w).take();
}

Result<PrepareRequest> PrepareRequest::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kPrepare);
  auto deals = read_list(r);
  const auto blob = r.lp4();
  const auto possession = r.lp();
  if (!known || !deals || !blob || !possession || !r.empty())
    return malformed_handover("a request to prepare");
  return PrepareRequest{
      .deals = *std::move(deals), .blob = to_bytes(*blob), .possession = to_bytes(*possession)};
}

Bytes encode_statements(const std::vector<Statement>& statements) {
  Writer w;
  write_statements(w, statements);
  return std::move(w).take();
}

Result<std::vector<Statement>> parse_statements(ByteView encoded) {
  Reader r(encoded);
  auto statements = read_statements(r);
  if (!statements || !r.empty()) return malformed_handover("statements");
  return *std::move(statements);
}

Bytes RetireRequest::encode() const {
  return encode_with_statements(kRetire, version, acknowledgements);
}

Result<RetireRequest> RetireRequest::parse(ByteView encoded) {
  auto parsed = parse_with_statements(kRetire, encoded);
  if (!parsed) return malformed_handover("a request to retire");
  return RetireRequest{.version = std::move(parsed->first), .acknowledgements = std::move(parsed->second)};
}

Bytes AbortRequest::encode() const {
  return encode_with_statements(kAbort, plan, voids);
}

Result<AbortRequest> AbortRequest::parse(ByteView encoded) {
  auto parsed = parse_with_statements(kAbort, encoded);
  if (!parsed) return malformed_handover("a request to abort");
  return AbortRequest{.plan = std::move(parsed->first), .voids = std::move(parsed->second)};
}

Bytes JoinMessage::encode(const Secret& secret) const {
  Writer w;
  w.literal(kJoin).bytes(invitation).lp4(bundle).lp4(plan);
  write_list(w, deals);
  w.lp4(blob).lp(possession);
  w.bytes(invitation_mac(secret, kJoinTag, w.view()));
  return std::move(w).take();
}

Result<JoinMessage> JoinMessage::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kJoin);
  const auto invitation = r.array<8>();
  const auto bundle = r.lp4();
  const auto plan = r.lp4();
  auto deals = read_list(r);
  const auto blob = r.lp4();
  const auto possession = r.lp();
  const auto mac = r.array<kInvitationMacSize>();
  if (!known || !invitation || !bundle || !plan || !deals || !blob || !possession || !mac || !r.empty())
    return malformed_handover("a request to join");
  return JoinMessage{.invitation = *invitation,
                     .bundle = to_bytes(*bundle),
                     .plan = to_bytes(*plan),
                     .deals = *std::move(deals),
                     .blob = to_bytes(*blob),
                     .possession = to_bytes(*possession),
                     .mac = *mac};
}

bool verify_join_mac(const Secret& secret, ByteView encoded) {
  return ends_with_mac(secret, kJoinTag, encoded);
}

Bytes VoidMessage::encode(const Secret& secret) const {
  Writer w;
  w.literal(kVoid).bytes(invitation).lp4(plan);
  w.bytes(invitation_mac(secret, kVoidTag, w.view()));
  return std::move(w).take();
}

Result<VoidMessage> VoidMessage::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kVoid);
  const auto invitation = r.array<8>();
  const auto plan = r.lp4();
  const auto mac = r.array<kInvitationMacSize>();
  if (!known || !invitation || !plan || !mac || !r.empty()) return malformed_handover("a request to void");
  return VoidMessage{.invitation = *invitation, .plan = to_bytes(*plan), .mac = *mac};
}

bool verify_void_mac(const Secret& secret, ByteView encoded) {
  return ends_with_mac(secret, kVoidTag, encoded);
}

Bytes HandoverStatus::encode() const {
  Writer w;
  w.literal(kHandoverStatus).u32(epoch).u32(decided).u8(unacknowledged ? 1 : 0).lp4(bundle);
  write_statements(w, acknowledgements);
  w.u8(prepared ? 1 : 0);
  if (prepared) w.lp4(prepared->transcript).bytes(prepared->confirmation);
  w.u8(static_cast<std::uint8_t>(announced.size()));
  for (const HandoverNotice& notice : announced) w.lp4(notice.encode());
  write_condition(w, condition);
  return std::move(w).take();
}

Result<HandoverStatus> HandoverStatus::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kHandoverStatus);
  const auto epoch = r.u32();
  const auto decided = r.u32();
  const auto unacknowledged = read_flag(r);
  const auto bundle = r.lp4();
  auto acknowledgements = read_statements(r);
  const auto is_prepared = read_flag(r);
  if (!known || !epoch || !decided || !unacknowledged || !bundle || !acknowledgements || !is_prepared)
    return malformed_handover("a status");
  HandoverStatus status{.epoch = *epoch,
                        .decided = *decided,
                        .unacknowledged = *unacknowledged,
                        .bundle = to_bytes(*bundle),
                        .acknowledgements = *std::move(acknowledgements),
                        .prepared = std::nullopt,
                        .announced = {}};
  if (*is_prepared) {
    const auto transcript = r.lp4();
    const auto confirmation = r.array<64>();
    if (!transcript || !confirmation) return malformed_handover("a status");
    status.prepared = Prepared{to_bytes(*transcript), *confirmation};
  }
  const auto announced = r.u8();
  if (!announced || *announced > kMaxNotices) return malformed_handover("a status");
  for (std::uint8_t i = 0; i < *announced; ++i) {
    const auto encoded_notice = r.lp4();
    if (!encoded_notice) return malformed_handover("a status");
    auto notice = HandoverNotice::parse(*encoded_notice);
    if (!notice) return std::move(notice).error();
    status.announced.push_back(*std::move(notice));
  }
  auto condition = read_condition(r);
  if (!condition || !r.empty()) return malformed_handover("a status");
  status.condition = *std::move(condition);
  return status;
}

Bytes encode_signature(const Signature& signature) {
  return to_bytes(signature);
}

Result<Signature> parse_signature(ByteView encoded) {
  Reader r(encoded);
  const auto signature = r.array<64>();
  if (!signature || !r.empty()) return malformed_handover("a signature");
  return *signature;
}

}  // namespace coprotect::protocol
