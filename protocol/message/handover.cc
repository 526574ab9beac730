#include "protocol/message/handover.h"

#include <algorithm>

#include "protocol/crypto/hash.h"
#include "protocol/message/fields.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kLayout = "CPHL\x01";
constexpr std::string_view kAnnouncement = "CPHW\x01";
constexpr std::string_view kNotice = "CPHN\x01";
constexpr std::string_view kDeal = "CPHQ\x01";
constexpr std::string_view kPrepare = "CPHP\x01";
constexpr std::string_view kRetire = "CPHR\x01";
constexpr std::string_view kAbort = "CPHA\x01";
constexpr std::string_view kJoin = "CPHJ\x01";
constexpr std::string_view kVoid = "CPHV\x01";
constexpr std::string_view kHandoverStatus = "CPHS\x01";
constexpr std::string_view kJoinTag = "CPV1-JOIN";
constexpr std::string_view kVoidTag = "CPV1-VOID";

Error malformed_handover(std::string_view what) {
  return {Code::malformed, "handover: not " + std::string(what) + " of version 1"};
}

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
    const auto party = r.array<33>();
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

// What several parties have said about something: lp4(that) ‖ their statements.
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

std::optional<bool> read_flag(Reader& r) {
  const auto flag = r.u8();
  if (!flag || *flag > 1) return std::nullopt;
  return *flag == 1;
}

std::optional<Layout::Holder> read_holder(Reader& r) {
  auto name = r.text();
  const auto count = r.u8();
  const auto indices = r.bytes(count.value_or(0));
  const auto organisation = r.array<33>();
  const auto is_agent = read_flag(r);
  if (!name || !valid_party_name(*name) || !indices || !organisation || !is_agent) return std::nullopt;
  Layout::Holder holder{.name = *std::move(name),
                        .indices = to_bytes(*indices),
                        .organisation = *organisation,
                        .identity_key = std::nullopt,
                        .url = {}};
  if (!*is_agent) return holder;
  holder.identity_key = r.array<33>();
  auto url = read_uri(r);
  if (!holder.identity_key || !url) return std::nullopt;
  holder.url = *std::move(url);
  return holder;
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

Layout Layout::of(const Parameters& parameters) {
  Layout layout{.t = parameters->t, .holders = {}};
  for (const Party& party : parameters->parties) {
    Holder holder{.name = party.name,
                  .indices = party.indices,
                  .organisation = party.organisation.organisation_key(),
                  .identity_key = std::nullopt,
                  .url = {}};
    if (party.is_agent()) {
      holder.identity_key = party.identity_key.bytes();
      holder.url = party.url;
    }
    layout.holders.push_back(std::move(holder));
  }
  return layout;
}

Bytes Layout::encode() const {
  Writer w;
  w.literal(kLayout).u8(t).u8(static_cast<std::uint8_t>(holders.size()));
  for (const Holder& holder : holders) {
    w.lp(holder.name).u8(static_cast<std::uint8_t>(holder.indices.size())).bytes(holder.indices);
    w.bytes(holder.organisation);
    w.u8(holder.identity_key ? 1 : 0);
    if (holder.identity_key) w.bytes(*holder.identity_key).lp(holder.url);
  }
  return std::move(w).take();
}

Result<Layout> Layout::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kLayout);
  const auto t = r.u8();
  const auto count = r.u8();
  if (!known || !t || !count || *count > kMaxShares) return malformed_handover("a layout");
  Layout layout{.t = *t, .holders = {}};
  for (std::uint8_t i = 0; i < *count; ++i) {
    auto holder = read_holder(r);
    if (!holder) return malformed_handover("a layout");
    layout.holders.push_back(*std::move(holder));
  }
  if (!r.empty()) return malformed_handover("a layout");
  return layout;
}

Announcement Announcement::of(const Parameters& parameters) {
  return {.layout = Layout::of(parameters), .recovery_key = parameters->recovery_key};
}

Bytes Announcement::encode() const {
  Writer w;
  w.literal(kAnnouncement).lp4(layout.encode()).lp(recovery_key ? ByteView(*recovery_key) : ByteView());
  return std::move(w).take();
}

Result<Announcement> Announcement::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kAnnouncement);
  const auto encoded_layout = r.lp4();
  const auto key = r.lp();
  if (!known || !encoded_layout || !key || !r.empty()) return malformed_handover("an announcement");
  auto layout = Layout::parse(*encoded_layout);
  if (!layout) return std::move(layout).error();
  Announcement announcement{.layout = *std::move(layout), .recovery_key = std::nullopt};
  if (key->empty()) return announcement;
  announcement.recovery_key = Reader(*key).array<65>();
  if (!announcement.recovery_key || key->size() != announcement.recovery_key->size() ||
      !is_hpke_public_key(*announcement.recovery_key))
    return malformed_handover("an announcement");
  return announcement;
}

Digest HandoverNotice::hash() const {
  return tagged_hash("CPV1-NOTICE", {sha256(what.encode()), announcer});
}

Bytes HandoverNotice::encode() const {
  Writer w;
  w.literal(kNotice).lp4(what.encode()).bytes(announcer).lp(client);
  write_time(w, not_before_ms);
  w.u64(static_cast<std::uint64_t>(running_left_ms)).u8(vetoed ? 1 : 0);
  return std::move(w).take();
}

Result<HandoverNotice> HandoverNotice::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kNotice);
  const auto encoded_what = r.lp4();
  const auto announcer = r.array<32>();
  auto client = read_uri(r);
  const auto not_before_ms = read_time(r);
  const auto running_left_ms = read_time(r);
  const auto vetoed = read_flag(r);
  if (!known || !encoded_what || !announcer || !client || !not_before_ms || !running_left_ms || !vetoed ||
      !r.empty())
    return malformed_handover("a notice");
  auto what = Announcement::parse(*encoded_what);
  if (!what) return std::move(what).error();
  return HandoverNotice{.what = *std::move(what),
                        .announcer = *announcer,
                        .client = *std::move(client),
                        .not_before_ms = *not_before_ms,
                        .running_left_ms = *running_left_ms,
                        .vetoed = *vetoed};
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
  w.u8(prepared ? 1 : 0);
  if (prepared) w.lp4(prepared->transcript).bytes(prepared->confirmation);
  w.u8(static_cast<std::uint8_t>(announced.size()));
  for (const HandoverNotice& notice : announced) w.lp4(notice.encode());
  return std::move(w).take();
}

Result<HandoverStatus> HandoverStatus::parse(ByteView encoded) {
  Reader r(encoded);
  const bool known = r.literal(kHandoverStatus);
  const auto epoch = r.u32();
  const auto decided = r.u32();
  const auto unacknowledged = read_flag(r);
  const auto bundle = r.lp4();
  const auto is_prepared = read_flag(r);
  if (!known || !epoch || !decided || !unacknowledged || !bundle || !is_prepared)
    return malformed_handover("a status");
  HandoverStatus status{.epoch = *epoch,
                        .decided = *decided,
                        .unacknowledged = *unacknowledged,
                        .bundle = to_bytes(*bundle),
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
  if (!r.empty()) return malformed_handover("a status");
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
