#include "protocol/message/onboarding.h"

#include "protocol/message/fields.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kOpen = "CPCO\x01";
constexpr std::string_view kOffer = "CPCF\x01";
constexpr std::string_view kParameters = "CPCP\x01";
constexpr std::string_view kControl = "CPCK\x01";
constexpr std::string_view kStatus = "CPCS\x01";
constexpr std::string_view kMessages = "CPML\x01";
constexpr std::string_view kBlob = "CPCB\x01";

Error malformed_onboarding(std::string_view what) {
  return {Code::malformed, "not " + std::string(what) + " message of version 1"};
}

std::string_view tag_text(MacTag tag) {
  switch (tag) {
    case MacTag::open:
      return "CPV1-OPEN";
    case MacTag::parameters:
      return "CPV1-PARAMETERS";
    case MacTag::control:
      return "CPV1-CONTROL";
  }
  std::abort();
}

Bytes with_mac(Writer w, const Secret& secret, MacTag tag) {
  const Digest mac = invitation_mac(secret, tag_text(tag), w.view());
  w.bytes(mac);
  return std::move(w).take();
}

// An offer's MAC also covers the message that it answers.
Digest offer_mac(const Secret& secret, ByteView open_message, ByteView offer_without_mac) {
  Writer covered;
  covered.bytes(open_message).bytes(offer_without_mac);
  return invitation_mac(secret, "CPV1-OPEN-OFFER", covered.view());
}

std::optional<Purpose> read_purpose(Reader& r) {
  const auto purpose = r.u8();
  if (purpose != static_cast<std::uint8_t>(Purpose::envelope) &&
      purpose != static_cast<std::uint8_t>(Purpose::derive)) {
    return std::nullopt;
  }
  return static_cast<Purpose>(*purpose);
}

}  // namespace

Bytes OpenMessage::encode(const Secret& secret) const {
  Writer w;
  w.literal(kOpen).bytes(invitation).lp(tenant).u8(static_cast<std::uint8_t>(purpose));
  w.u16(static_cast<std::uint16_t>(suite)).bytes(key_id).bytes(newest_hash).bytes(nonce);
  return with_mac(std::move(w), secret, MacTag::open);
}

Result<OpenMessage> OpenMessage::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kOpen)) return malformed_onboarding("an open");
  const auto invitation = r.array<8>();
  auto tenant = read_tenant(r);
  const auto purpose = read_purpose(r);
  const auto suite_id = r.u16();
  const auto key_id = r.array<32>();
  const auto newest_hash = r.array<32>();
  const auto nonce = r.array<16>();
  const auto mac = r.array<kInvitationMacSize>();
  if (!invitation || !tenant || !purpose || !suite_id || !key_id || !newest_hash || !nonce || !mac ||
      !r.empty() || (*key_id == KeyId{}) != (*newest_hash == Digest{}))
    return malformed_onboarding("an open");
  const auto suite = parse_suite(*suite_id);
  if (!suite) return suite.error();
  return OpenMessage{.invitation = *invitation,
                     .tenant = *std::move(tenant),
                     .purpose = *purpose,
                     .suite = *suite,
                     .key_id = *key_id,
                     .newest_hash = *newest_hash,
                     .nonce = *nonce,
                     .mac = *mac};
}

Bytes OfferMessage::encode(const Secret& secret, ByteView open_message) const {
  Writer w;
  w.literal(kOffer).lp4(offer.encode());
  w.bytes(offer_mac(secret, open_message, w.view()));
  return std::move(w).take();
}

Result<OfferMessage> OfferMessage::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kOffer)) return malformed_onboarding("an offer");
  const auto encoded_offer = r.lp4();
  const auto mac = r.array<kInvitationMacSize>();
  if (!encoded_offer || !mac || !r.empty()) return malformed_onboarding("an offer");
  auto offer = HandoverOffer::parse(*encoded_offer);
  if (!offer) return std::move(offer).error();
  return OfferMessage{.offer = *std::move(offer), .mac = *mac};
}

Bytes ParametersMessage::encode(const Secret& secret) const {
  Writer w;
  w.literal(kParameters).bytes(invitation).lp4(parameters);
  return with_mac(std::move(w), secret, MacTag::parameters);
}

Result<ParametersMessage> ParametersMessage::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kParameters)) return malformed_onboarding("a parameters");
  const auto invitation = r.array<8>();
  const auto parameters = r.lp4();
  const auto mac = r.array<kInvitationMacSize>();
  if (!invitation || !parameters || !mac || !r.empty()) return malformed_onboarding("a parameters");
  return ParametersMessage{.invitation = *invitation, .parameters = to_bytes(*parameters), .mac = *mac};
}

Bytes ControlMessage::encode(const Secret& secret) const {
  Writer w;
  w.literal(kControl).bytes(invitation).u8(static_cast<std::uint8_t>(kind)).bytes(sid).bytes(nonce);
  return with_mac(std::move(w), secret, MacTag::control);
}

Result<ControlMessage> ControlMessage::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kControl)) return malformed_onboarding("a control");
  const auto invitation = r.array<8>();
  const auto kind = r.u8();
  const auto sid = r.array<32>();
  const auto nonce = r.array<16>();
  const auto mac = r.array<kInvitationMacSize>();
  if (!invitation || !kind || !sid || !nonce || !mac || !r.empty()) return malformed_onboarding("a control");
  if (*kind != static_cast<std::uint8_t>(ControlKind::status) &&
      *kind != static_cast<std::uint8_t>(ControlKind::abort)) {
    return malformed_onboarding("a control");
  }
  const auto known_kind = static_cast<ControlKind>(*kind);
  if (known_kind == ControlKind::status && *sid != Sid{}) return malformed_onboarding("a control");
  return ControlMessage{
      .invitation = *invitation, .kind = known_kind, .sid = *sid, .nonce = *nonce, .mac = *mac};
}

bool verify_mac(const Secret& secret, MacTag tag, ByteView encoded) {
  if (encoded.size() < kInvitationMacSize) return false;
  const Digest mac =
      invitation_mac(secret, tag_text(tag), encoded.first(encoded.size() - kInvitationMacSize));
  return equal_in_constant_time(mac, encoded.last(kInvitationMacSize));
}

bool verify_offer_mac(const Secret& secret, ByteView offer, ByteView open_message) {
  if (offer.size() < kInvitationMacSize) return false;
  const Digest mac = offer_mac(secret, open_message, offer.first(offer.size() - kInvitationMacSize));
  return equal_in_constant_time(mac, offer.last(kInvitationMacSize));
}

Bytes StatusMessage::encode() const {
  Writer w;
  w.literal(kStatus).u8(static_cast<std::uint8_t>(state)).bytes(sid).lp4(bundle).lp4(blob);
  return std::move(w).take();
}

Result<StatusMessage> StatusMessage::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kStatus)) return malformed_onboarding("a status");
  const auto state = r.u8();
  const auto sid = r.array<32>();
  const auto bundle = r.lp4();
  const auto blob = r.lp4();
  if (!state || *state > static_cast<std::uint8_t>(CeremonyState::active) || !sid || !bundle || !blob ||
      !r.empty()) {
    return malformed_onboarding("a status");
  }
  const auto known_state = static_cast<CeremonyState>(*state);
  const bool active = known_state == CeremonyState::active;
  const bool prepared = known_state == CeremonyState::prepared;
  if ((active && bundle->empty()) || (!active && !prepared && !bundle->empty()) ||
      (!active && !blob->empty()))
    return malformed_onboarding("a status");
  return StatusMessage{
      .state = known_state, .sid = *sid, .bundle = to_bytes(*bundle), .blob = to_bytes(*blob)};
}

Bytes MessageList::encode() const {
  invariant(messages.size() <= std::numeric_limits<std::uint8_t>::max());
  Writer w;
  w.literal(kMessages).u8(static_cast<std::uint8_t>(messages.size()));
  for (const Bytes& message : messages) w.lp4(message);
  return std::move(w).take();
}

Result<MessageList> MessageList::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kMessages)) return malformed_onboarding("a messages");
  const auto count = r.u8();
  MessageList list;
  for (std::size_t i = 0; i < count.value_or(0); ++i) {
    const auto message = r.lp4();
    if (!message) return malformed_onboarding("a messages");
    list.messages.push_back(to_bytes(*message));
  }
  if (!count || !r.empty()) return malformed_onboarding("a messages");
  return list;
}

Bytes StoreBlobMessage::encode() const {
  Writer w;
  w.literal(kBlob).bytes(sid).lp4(blob).lp4(tool_message);
  return std::move(w).take();
}

Result<StoreBlobMessage> StoreBlobMessage::parse(ByteView encoded) {
  Reader r(encoded);
  if (!r.literal(kBlob)) return malformed_onboarding("a blob");
  const auto sid = r.array<32>();
  const auto blob = r.lp4();
  const auto tool_message = r.lp4();
  if (!sid || !blob || !tool_message || !r.empty()) return malformed_onboarding("a blob");
  return StoreBlobMessage{.sid = *sid, .blob = to_bytes(*blob), .tool_message = to_bytes(*tool_message)};
}

}  // namespace coprotect::protocol
