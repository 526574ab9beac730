#include "protocol/message/request.h"

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

Digest request_digest(ByteView signed_bytes) {
  return tagged_hash("CPV1-REQUEST", {sha256(signed_bytes)});
}

Bytes encode_body(const PartialDecryptBody& body) {
  Writer w;
  w.u16(static_cast<std::uint16_t>(body.items.size()));
  for (const PartialItem& item : body.items) {
    const Capsule& capsule = item.capsule;
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
  write_time(w, body.time_ms);
  w.bytes(body.evidence).u16(body.passed).u16(body.failed);
  return std::move(w).take();
}

Result<PartialItem> read_request_item(Reader& r, const Group& group) {
  const auto core_bytes = r.lp4();
  const auto stanza_type = r.u16();
  const auto c1_bytes = r.bytes(group.element_size());
  const auto u_bar_bytes = r.bytes(group.element_size());
  const auto c2_hash = r.array<32>();
  const auto e = r.array<32>();
  const auto f_bytes = r.bytes(group.scalar_size());
  if (!core_bytes || !stanza_type || !c1_bytes || !u_bar_bytes || !c2_hash || !e || !f_bytes) {
    return malformed_request("cut off");
  }
  const auto core = Core::parse(*core_bytes);
  if (!core) return core.error();
  if (core->suite != group.suite()) return malformed_request("header is of another suite than the key");
  if (*stanza_type != kStanzaTdh2) return malformed_request("unknown type of stanza");
  auto c1 = group.parse(*c1_bytes);
  if (!c1) return std::move(c1).error();
  auto u_bar = group.parse(*u_bar_bytes);
  if (!u_bar) return std::move(u_bar).error();
  auto f = Scalar::parse(group.scalars(), *f_bytes);
  if (!f) return std::move(f).error();
  return PartialItem{.core = to_bytes(*core_bytes),
                     .stanza_type = *stanza_type,
                     .capsule = {.c1 = *std::move(c1),
                                 .u_bar = *std::move(u_bar),
                                 .c2_hash = *c2_hash,
                                 .e = *e,
                                 .f = *std::move(f)}};
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
  if (*limit == 0 || *limit > kMaxLogLimit) return malformed_request("not 1 to 1000 log entries");
  return LogBody{.from = *from, .limit = *limit};
}

// An element that does not decode ends it here: nothing but a member of the group ever meets a share.
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

Result<HandoverBody> read_handover(ByteView bytes) {
  Reader r(bytes);
  const auto step = r.u8();
  const auto payload = r.lp4();
  if (!step || *step < static_cast<std::uint8_t>(HandoverStep::status) ||
      *step > static_cast<std::uint8_t>(HandoverStep::veto) || !payload || !r.empty())
    return malformed_request("not a step of a handover");
  return HandoverBody{.step = static_cast<HandoverStep>(*step), .payload = to_bytes(*payload)};
}

Result<DrillReportBody> read_drill_report(ByteView bytes) {
  Reader r(bytes);
  const auto time_ms = read_time(r);
  const auto evidence = r.array<32>();
  const auto passed = r.u16();
  const auto failed = r.u16();
  if (!time_ms || !evidence || !passed || !failed || !r.empty())
    return malformed_request("not a drill's report");
  return DrillReportBody{.time_ms = *time_ms, .evidence = *evidence, .passed = *passed, .failed = *failed};
}

std::optional<std::vector<PublicKeyBytes>> read_audience(Reader& r) {
  const auto count = r.u8();
  if (!count || *count == 0 || *count > kMaxAudience) return std::nullopt;
  std::vector<PublicKeyBytes> audience;
  for (std::size_t i = 0; i < *count; ++i) {
    const auto key = r.array<33>();
    if (!key) return std::nullopt;
    audience.push_back(*key);
  }
  return audience;
}

Result<std::vector<Certificate>> read_chain(Reader& r) {
  const auto count = r.u8();
  if (!count || *count == 0 || *count > kMaxChain) return malformed_request("not 1 to 4 certificates");
  std::vector<Certificate> chain;
  for (std::size_t i = 0; i < *count; ++i) {
    const auto der = r.lp();
    if (!der) return malformed_request("cut off in a certificate");
    auto certificate = Certificate::parse_der(*der);
    if (!certificate) return std::move(certificate).error().in("request");
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
  w.lp4(std::visit([](const auto& body) { return encode_body(body); }, request.body));
  w.u8(static_cast<std::uint8_t>(chain.size()));
  for (const Certificate& certificate : chain) w.lp(certificate.der());
  const Signature signature = key.sign(request_digest(w.view()));
  w.bytes(signature);
  return std::move(w).take();
}

Result<SignedRequest::Envelope> SignedRequest::parse_envelope(ByteView encoded) {
  if (encoded.size() > kMaxRequestSize) return malformed_request("longer than 8 MiB");
  Reader r(encoded);
  if (!r.literal(kRequestMagic)) return malformed_request("not of version 1");
  const auto operation = read_operation(r);
  auto tenant = read_tenant(r);
  const auto key_id = r.array<32>();
  const auto epoch = r.u32();
  auto audience = read_audience(r);
  const auto action = read_action(r);
  auto reason = read_text(r, kMaxReason);
  const auto nonce = r.array<16>();
  const auto time_ms = read_time(r);
  const auto reply_key = r.array<65>();
  const auto body = r.lp4();
  if (!operation || !tenant || !key_id || !epoch || !audience || !action || !reason || !nonce || !time_ms ||
      !reply_key || !is_hpke_public_key(*reply_key) || !body) {
    return malformed_request("cut off, or a field is not of its form");
  }
  auto chain = read_chain(r);
  if (!chain) return std::move(chain).error();
  const ByteView signed_bytes = encoded.first(encoded.size() - r.size());
  const auto signature = r.array<64>();
  if (!signature || !r.empty()) return malformed_request("cut off, or something follows");
  if (!chain->front().key().verify(request_digest(signed_bytes), *signature)) {
    return Error(Code::unauthenticated, "request: not signed with the key of its first certificate");
  }
  return Envelope{.operation = *operation,
                  .request = {.tenant = *std::move(tenant),
                              .key_id = *key_id,
                              .epoch = *epoch,
                              .audience = *std::move(audience),
                              .action = *action,
                              .reason = *std::move(reason),
                              .nonce = *nonce,
                              .time_ms = *time_ms,
                              .reply_key = *reply_key,
                              .body = RecoveryShareBody{}},
                  .chain = *std::move(chain),
                  .hash = sha256(encoded),
                  .body = to_bytes(*body)};
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
      auto read = read_handover(body);
      if (!read) return std::move(read).error();
      request.body = *std::move(read);
      break;
    }
    case Operation::drill_report: {
      auto read = read_drill_report(body);
      if (!read) return std::move(read).error();
      request.body = *read;
      break;
    }
  }
  return SignedRequest{.request = std::move(request), .chain = std::move(chain), .hash = hash};
}

}  // namespace coprotect::protocol
