#include "protocol/message/request.h"

#include <algorithm>

#include "protocol/crypto/hash.h"
#include "protocol/message/fields.h"

namespace coprotect::protocol {
namespace {

constexpr std::string_view kRequestMagic = "CPRQ\x01";
constexpr std::size_t kMaxAudience = 16;
constexpr std::size_t kMaxReason = 255;
constexpr std::size_t kMaxChain = 4;
constexpr std::uint16_t kMaxLogLimit = 1000;

Error malformed_request(std::string_view what) {
  return {Code::malformed, "request: " + std::string(what)};
}

// A truncated or malformed field.
Error wrong_field(std::string_view name, std::string_view why) {
  return malformed_request("field \"" + std::string(name) + "\": " + std::string(why));
}

Bytes encode_body(const PartialDecryptBody& body) {
  Writer w;
  w.u16(static_cast<std::uint16_t>(body.items.size()));
  for (const PartialItem& item : body.items) {
    const Capsule& capsule = *item.capsule;
    w.lp4(item.core).u16(item.stanza_type).bytes(capsule.c1.encode()).bytes(capsule.u_bar.encode());
    w.bytes(capsule.c2_hash).bytes(capsule.e).bytes(capsule.f.bytes().reveal());
  }
  return std::move(w).take();
}
Bytes encode_body(const RecoveryShareBody&) {
  return {};
}
Bytes encode_body(const LogBody& body) {
  Writer w;
  w.u64(body.from).u16(body.limit);
  return std::move(w).take();
}
Bytes encode_body(const DeriveBody& body) {
  Writer w;
  w.u16(static_cast<std::uint16_t>(body.peers.size()));
  for (const Element& peer : body.peers) w.bytes(peer.encode());
  return std::move(w).take();
}

Bytes encode_body(const HandoverBody& body) {
  Writer w;
  w.u8(static_cast<std::uint8_t>(body.step)).lp4(body.payload);
  return std::move(w).take();
}

Bytes encode_body(const DrillReportBody& body) {
  Writer w;
  w.bytes(body.claim()).lp(body.proof);
  return std::move(w).take();
}

Result<Capsule> read_capsule(const Group& group, ByteView c1, ByteView u_bar, const Digest& c2_hash,
                             const Digest& e, ByteView f) {
  auto read_c1 = group.parse(c1);
  if (!read_c1) return std::move(read_c1).error().in("c1");
  auto read_u_bar = group.parse(u_bar);
  if (!read_u_bar) return std::move(read_u_bar).error().in("ū");
  auto read_f = Scalar::parse(group.scalars(), f);
  if (!read_f) return std::move(read_f).error().in("f");
  return Capsule{.c1 = *std::move(read_c1),
                 .u_bar = *std::move(read_u_bar),
                 .c2_hash = c2_hash,
                 .e = e,
                 .f = *std::move(read_f)};
}

// Its parts have the widths of the key's suite, so the next item is found whatever this one contains.
Result<PartialItem> read_request_item(Reader& r, const Group& group) {
  const auto core = r.lp4();
  const auto stanza_type = r.u16();
  const auto c1 = r.bytes(group.element_size());
  const auto u_bar = r.bytes(group.element_size());
  const auto c2_hash = r.array<32>();
  const auto e = r.array<32>();
  const auto f = r.bytes(group.scalar_size());
  if (!core || !stanza_type || !c1 || !u_bar || !c2_hash || !e || !f) return malformed_request("cut off");
  return PartialItem{.core = to_bytes(*core),
                     .stanza_type = *stanza_type,
                     .capsule = read_capsule(group, *c1, *u_bar, *c2_hash, *e, *f),
                     .c1_hash = sha256(*c1)};
}

Result<PartialDecryptBody> read_partial_decrypt(ByteView bytes, const Group& group) {
  Reader r(bytes);
  const auto count = r.u16();
  if (!count || *count == 0 || *count > kMaxItems) return malformed_request("not 1 to 256 items");
  PartialDecryptBody body;
  for (std::size_t i = 0; i < *count; ++i) {
    auto item = read_request_item(r, group);
    if (!item) return std::move(item).error().in("item " + std::to_string(i));
    body.items.push_back(*std::move(item));
  }
  if (!r.empty()) return malformed_request("something follows the last item");
  return body;
}

Result<LogBody> read_log(ByteView bytes) {
  Reader r(bytes);
  const auto from = r.u64();
  const auto limit = r.u16();
  if (!from || !limit || !r.empty()) return malformed_request("not a range of the log");
  if (*from == 0) return malformed_request("log entries are numbered from 1");
  if (*limit == 0 || *limit > kMaxLogLimit) return malformed_request("not 1 to 1000 log entries");
  return LogBody{.from = *from, .limit = *limit};
}

// An element that does not decode ends parsing: a share is applied only to members of the group.
Result<DeriveBody> read_derive(ByteView bytes, const Group& group) {
  Reader r(bytes);
  const auto count = r.u16();
  if (!count || *count == 0 || *count > kMaxItems) return malformed_request("not 1 to 256 items");
  DeriveBody body;
  for (std::size_t i = 0; i < *count; ++i) {
    const auto encoded = r.bytes(group.element_size());
    if (!encoded) return malformed_request("cut off");
    auto peer = group.parse(*encoded);
    if (!peer) return std::move(peer).error().in("item " + std::to_string(i));
    body.peers.push_back(*std::move(peer));
  }
  if (!r.empty()) return malformed_request("something follows the last item");
  return body;
}

bool takes_payload(HandoverStep step) {
  return step != HandoverStep::status && step != HandoverStep::offer;
}

}  // namespace

Result<HandoverBody> HandoverBody::parse(ByteView bytes) {
  Reader r(bytes);
  const auto step = r.u8();
  const auto payload = r.lp4();
  if (!step || *step < static_cast<std::uint8_t>(HandoverStep::status) ||
      *step > static_cast<std::uint8_t>(HandoverStep::consent) || !payload || !r.empty())
    return malformed_request("not a step of a handover");
  if (!payload->empty() && !takes_payload(static_cast<HandoverStep>(*step)))
    return malformed_request("step " + std::string(step_name(static_cast<HandoverStep>(*step))) +
                             " of a handover has no payload");
  return HandoverBody{.step = static_cast<HandoverStep>(*step), .payload = to_bytes(*payload)};
}

namespace {

Result<DrillReportBody> read_drill_report(ByteView bytes) {
  Reader r(bytes);
  const auto time_ms = read_time(r);
  const auto evidence = r.array<32>();
  const auto passed = r.u16();
  const auto failed = r.u16();
  const auto proof = r.lp();
  if (!time_ms || !evidence || !passed || !failed || !proof || !r.empty())
    return malformed_request("not a drill's report");
  if (!proof->empty() && proof->size() != std::tuple_size_v<Signature>)
    return malformed_request("a drill's proof is no signature");
  return DrillReportBody{.time_ms = *time_ms,
                         .evidence = *evidence,
                         .passed = *passed,
                         .failed = *failed,
                         .proof = to_bytes(*proof)};
}

Result<std::vector<PublicKeyBytes>> read_audience(Reader& r) {
  const auto wrong = [](const std::string& why) { return wrong_field("audience", why); };
  const auto count = r.u8();
  if (!count || *count == 0 || *count > kMaxAudience) return wrong("not 1 to 16 parties");
  std::vector<PublicKeyBytes> audience;
  for (std::size_t i = 1; i <= *count; ++i) {
    const auto key = r.array<33>();
    if (!key) return wrong("cut off");
    if (!is_ecdsa_public_key(*key)) return wrong("party " + std::to_string(i) + " is not a P-256 point");
    if (std::find(audience.begin(), audience.end(), *key) != audience.end())
      return wrong("party " + std::to_string(i) + " is named twice");
    audience.push_back(*key);
  }
  return audience;
}

Result<std::vector<Certificate>> read_chain(Reader& r) {
  const auto count = r.u8();
  if (!count || *count == 0 || *count > kMaxChain)
    return wrong_field("certificates", "not 1 to 4 certificates");
  std::vector<Certificate> chain;
  for (std::size_t i = 0; i < *count; ++i) {
    const auto der = r.lp();
    if (!der) return wrong_field("certificates", "cut off");
    auto certificate = Certificate::parse_der(*der);
    if (!certificate) return std::move(certificate).error().in("request: field \"certificates\"");
    chain.push_back(*std::move(certificate));
  }
  return chain;
}

std::optional<Operation> read_operation(Reader& r) {
  const auto operation = r.u8();
  if (!operation || *operation < static_cast<std::uint8_t>(Operation::partial_decrypt) ||
      *operation > static_cast<std::uint8_t>(Operation::drill_report)) {
    return std::nullopt;
  }
  return static_cast<Operation>(*operation);
}

std::optional<Action> read_action(Reader& r) {
  const auto action = r.u8();
  if (!action || *action < static_cast<std::uint8_t>(Action::view) ||
      *action > static_cast<std::uint8_t>(Action::recover)) {
    return std::nullopt;
  }
  return static_cast<Action>(*action);
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
    case Operation::derive:
      return "derive";
    case Operation::handover:
      return "handover";
    case Operation::drill_report:
      return "drill-report";
  }
  return "unknown";
}

Bytes DrillReportBody::claim() const {
  Writer w;
  write_time(w, time_ms);
  w.bytes(evidence).u16(passed).u16(failed);
  return std::move(w).take();
}

Digest request_digest(ByteView head, ByteView body, ByteView certificates) {
  return tagged_hash("CPV1-REQUEST", {sha256(head), sha256(body), sha256(certificates)});
}

Bytes SignedRequest::sign(const Request& request, const std::vector<Certificate>& chain,
                          const SigningKey& key) {
  Writer w;
  w.literal(kRequestMagic)
      .u8(static_cast<std::uint8_t>(request.operation()))
      .lp(request.tenant)
      .bytes(request.key_id);
  w.u32(request.epoch).u8(static_cast<std::uint8_t>(request.audience.size()));
  for (const PublicKeyBytes& party : request.audience) w.bytes(party);
  w.u8(static_cast<std::uint8_t>(request.action)).lp(request.reason).bytes(request.nonce);
  write_time(w, request.time_ms);
  w.bytes(request.reply_key);
  const Bytes head = std::move(w).take();
  const Bytes body = std::visit([](const auto& one) { return encode_body(one); }, request.body);
  Writer c;
  c.u8(static_cast<std::uint8_t>(chain.size()));
  for (const Certificate& certificate : chain) c.lp(certificate.der());
  Writer all;
  all.bytes(head).lp4(body).bytes(c.view()).bytes(key.sign(request_digest(head, body, c.view())));
  return std::move(all).take();
}

// The error names the first truncated or malformed field.
Result<SignedRequest::Envelope> SignedRequest::parse_envelope(ByteView encoded) {
  if (encoded.size() > kMaxRequestSize) return malformed_request("longer than 8 MiB");
  Reader r(encoded);
  if (!r.literal(kRequestMagic)) return malformed_request("not of version 1");
  const auto operation = read_operation(r);
  if (!operation) return wrong_field("operation", "not 1 to 6");
  auto tenant = read_tenant(r);
  if (!tenant) return wrong_field("tenant", "not 1 to 64 of a-z, 0-9 and -");
  const auto key_id = r.array<32>();
  if (!key_id) return wrong_field("key_id", "cut off");
  const auto epoch = r.u32();
  if (!epoch) return wrong_field("epoch", "cut off");
  auto audience = read_audience(r);
  if (!audience) return std::move(audience).error();
  const auto action = read_action(r);
  if (!action) return wrong_field("action", "not 1 to 4");
  auto reason = read_text(r, kMaxReason);
  if (!reason) return wrong_field("reason", "not UTF-8 of at most 255 bytes");
  const auto nonce = r.array<16>();
  if (!nonce) return wrong_field("nonce", "cut off");
  const auto time_ms = read_time(r);
  if (!time_ms) return wrong_field("time", "cut off, or negative");
  const auto reply_key = r.array<65>();
  if (!reply_key || !is_hpke_public_key(*reply_key))
    return wrong_field("reply_key", "not an uncompressed P-256 point");
  const ByteView head = encoded.first(encoded.size() - r.size());
  const auto body = r.lp4();
  if (!body) return wrong_field("body", "cut off");
  const ByteView rest = encoded.last(r.size());
  auto chain = read_chain(r);
  if (!chain) return std::move(chain).error();
  const ByteView certificates = rest.first(rest.size() - r.size());
  const auto signature = r.array<64>();
  if (!signature) return wrong_field("signature", "cut off");
  if (!r.empty()) return malformed_request("something follows the signature");
  if (!chain->front().key().verify(request_digest(head, *body, certificates), *signature)) {
    return Error(Code::unauthenticated, "request: not signed with the key of its first certificate");
  }
  // GCC 12 destroys an aggregate that is braced within another one twice, if a later member of the outer one
  // throws, e.g. when memory runs out. So it has a name here, and nothing throws after it.
  Bytes content = to_bytes(*body);
  Request request{.tenant = *std::move(tenant),
                  .key_id = *key_id,
                  .epoch = *epoch,
                  .audience = *std::move(audience),
                  .action = *action,
                  .reason = *std::move(reason),
                  .nonce = *nonce,
                  .time_ms = *time_ms,
                  .reply_key = *reply_key,
                  .body = RecoveryShareBody{}};
  return Envelope{.operation = *operation,
                  .request = std::move(request),
                  .chain = *std::move(chain),
                  .hash = sha256(encoded),
                  .body = std::move(content)};
}

Result<SignedRequest> SignedRequest::Envelope::open(SuiteId suite) && {
  switch (operation) {
    case Operation::partial_decrypt: {
      auto read = read_partial_decrypt(body, group_of(suite));
      if (!read) return std::move(read).error();
      request.body = *std::move(read);
      break;
    }
    case Operation::recovery_share:
      if (!body.empty()) return malformed_request("recovery-share has a body");
      request.body = RecoveryShareBody{};
      break;
    case Operation::log: {
      auto read = read_log(body);
      if (!read) return std::move(read).error();
      request.body = *read;
      break;
    }
    case Operation::derive: {
      auto read = read_derive(body, group_of(suite));
      if (!read) return std::move(read).error();
      request.body = *std::move(read);
      break;
    }
    case Operation::handover: {
      auto read = HandoverBody::parse(body);
      if (!read) return std::move(read).error();
      request.body = *std::move(read);
      break;
    }
    case Operation::drill_report: {
      auto read = read_drill_report(body);
      if (!read) return std::move(read).error();
      request.body = *std::move(read);
      break;
    }
  }
  return SignedRequest{.request = std::move(request), .chain = std::move(chain), .hash = hash};
}

}  // namespace coprotect::protocol
