#include "agent/ipc/messages.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::agent::ipc {
namespace {

constexpr std::uint8_t kNoError = 0;  // otherwise the Code's number plus 1
constexpr std::size_t kMaxErrorMessage = 4096;
constexpr std::size_t kRequestIdDigits = 16;
constexpr std::uint32_t kMostLimit = 100'000;

Writer begin(Kind kind) {
  Writer w;
  w.u8(static_cast<std::uint8_t>(kind));
  return w;
}

bool begins(Reader& r, Kind kind) {
  return r.u8() == static_cast<std::uint8_t>(kind);
}

Error malformed(std::string_view what) {
  return {Code::malformed, std::string(what)};
}

bool is_lower_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_tenant(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-';
  });
}

std::optional<Route> route_of(std::optional<std::uint8_t> number) {
  if (!number || *number < static_cast<std::uint8_t>(Route::health) ||
      *number > static_cast<std::uint8_t>(Route::key_list_put))
    return std::nullopt;
  return static_cast<Route>(*number);
}

std::optional<Code> code_of(std::uint8_t number) {
  if (number > static_cast<std::uint8_t>(Code::internal)) return std::nullopt;
  return static_cast<Code>(number);
}

// An error, or none: u8 ‖ lp(message).
void write_error(Writer& w, const std::optional<Error>& error) {
  if (!error) {
    w.u8(kNoError).lp("");
    return;
  }
  const std::string_view message = error->message();
  w.u8(static_cast<std::uint8_t>(static_cast<int>(error->code()) + 1))
      .lp(message.substr(0, kMaxErrorMessage));
}

// False if the input is neither.
bool read_error(Reader& r, std::optional<Error>& error) {
  const auto number = r.u8();
  auto message = r.text();
  if (!number || !message || message->size() > kMaxErrorMessage) return false;
  if (*number == kNoError) return message->empty();
  const auto code = code_of(static_cast<std::uint8_t>(*number - 1));
  if (code) error.emplace(*code, std::move(*message));
  return code.has_value();
}

void write_certificates(Writer& w, const std::vector<Bytes>& certificates) {
  w.u32(static_cast<std::uint32_t>(certificates.size()));
  for (const Bytes& certificate : certificates) w.lp(certificate);
}

bool read_certificates(Reader& r, std::vector<Bytes>& certificates) {
  const auto count = r.u32();
  if (!count) return false;
  for (std::uint32_t i = 0; i < *count; ++i) {  // each has at least two bytes, so a false count ends soon
    const auto certificate = r.lp();
    if (!certificate || certificate->empty() || certificate->size() > kMaxCertificate) return false;
    certificates.emplace_back(certificate->begin(), certificate->end());
  }
  return true;
}

}  // namespace

Result<Kind> kind_of(ByteView frame) {
  if (frame.empty() || frame[0] < static_cast<std::uint8_t>(Kind::call) ||
      frame[0] > static_cast<std::uint8_t>(Kind::usage))
    return malformed("frame of an unknown kind");
  return static_cast<Kind>(frame[0]);
}

std::string_view route_name(Route route) {
  switch (route) {
    case Route::health:
      return "health";
    case Route::bundle:
      return "bundle";
    case Route::partial_decrypt:
      return "partial-decrypt";
    case Route::recovery_share:
      return "recovery-share";
    case Route::log:
      return "log";
    case Route::open:
      return "open";
    case Route::status:
      return "status";
    case Route::parameters:
      return "parameters";
    case Route::reveal:
      return "reveal";
    case Route::deal:
      return "deal";
    case Route::prepare:
      return "prepare";
    case Route::store_blob:
      return "store-blob";
    case Route::activate:
      return "activate";
    case Route::abort:
      return "abort";
    case Route::client_list_get:
      return "client-list-get";
    case Route::client_list_put:
      return "client-list-put";
    case Route::derive:
      return "derive";
    case Route::decrypt:
      return "decrypt";
    case Route::handover:
      return "handover";
    case Route::join:
      return "join";
    case Route::drill_report:
      return "drill-report";
    case Route::peer_state:
      return "peer-state";
    case Route::key_list_get:
      return "key-list-get";
    case Route::key_list_put:
      return "key-list-put";
  }
  return "";
}

bool valid_subject(Route route, std::string_view subject) {
  switch (route) {
    case Route::health:
    case Route::open:
    case Route::status:
    case Route::peer_state:
      return subject.empty();
    case Route::client_list_get:
    case Route::client_list_put:
    case Route::key_list_get:
    case Route::key_list_put:
      return is_tenant(subject);
    case Route::bundle:
    case Route::partial_decrypt:
    case Route::recovery_share:
    case Route::log:
    case Route::derive:
    case Route::decrypt:
    case Route::handover:
    case Route::join:
    case Route::drill_report:
    case Route::parameters:
    case Route::reveal:
    case Route::deal:
    case Route::prepare:
    case Route::store_blob:
    case Route::activate:
    case Route::abort:
      return is_lower_hex(subject, 64);
  }
  return false;
}

Bytes Call::encode() const {
  Writer w = begin(Kind::call);
  w.u64(id)
      .u8(static_cast<std::uint8_t>(route))
      .lp(subject)
      .lp(peer_certificate)
      .lp(authority)
      .u32(budget_ms)
      .lp4(body);
  return std::move(w).take();
}

Result<Call> Call::parse(ByteView frame) {
  Reader r(frame);
  if (!begins(r, Kind::call)) return malformed("not a call");
  const auto id = r.u64();
  const auto route = route_of(r.u8());
  auto subject = r.text();
  const auto certificate = r.lp();
  auto authority = r.text();
  const auto budget_ms = r.u32();
  const auto body = r.lp4();
  if (!id || !route || !subject || !certificate || !authority || !budget_ms || !body || !r.empty())
    return malformed("call: wrong length or route");
  if (!authority->empty() && !is_lower_hex(*authority, 64))
    return malformed("call: not the key of an authority");
  if (!valid_subject(*route, *subject)) return malformed("call: subject does not suit its route");
  if (certificate->size() > kMaxCertificate || body->size() > kMaxBody) return malformed("call: too large");
  return Call{.id = *id,
              .route = *route,
              .subject = std::move(*subject),
              .peer_certificate = {certificate->begin(), certificate->end()},
              .authority = std::move(*authority),
              .budget_ms = *budget_ms,
              .body = {body->begin(), body->end()}};
}

Bytes Reply::encode() const {
  if (body.size() > kMaxBody) {
    Error too_large(Code::unavailable, "the answer has " + std::to_string(body.size()) +
                                           " bytes, and at most " + std::to_string(kMaxBody) +
                                           " can be sent");
    return Reply{.id = id, .error = std::move(too_large), .request_id = request_id, .body = {}}.encode();
  }
  Writer w = begin(Kind::reply);
  w.u64(id);
  write_error(w, error);
  w.u32(retry_after_seconds).lp(request_id).lp4(body);
  return std::move(w).take();
}

Result<Reply> Reply::parse(ByteView frame) {
  Reader r(frame);
  if (!begins(r, Kind::reply)) return malformed("not a reply");
  const auto id = r.u64();
  std::optional<Error> error;
  if (!id || !read_error(r, error)) return malformed("reply: bad error");
  const auto retry_after_seconds = r.u32();
  auto request_id = r.text();
  const auto body = r.lp4();
  if (!request_id || !body || !retry_after_seconds || !r.empty()) return malformed("reply: wrong length");
  if (body->size() > kMaxBody || (error && !body->empty())) return malformed("reply: too large");
  if (*retry_after_seconds != 0 && !error) return malformed("reply: an answer is not to be asked for again");
  if (!is_lower_hex(*request_id, kRequestIdDigits)) return malformed("reply: bad request id");
  return Reply{.id = *id,
               .error = std::move(error),
               .request_id = std::move(*request_id),
               .body = {body->begin(), body->end()},
               .retry_after_seconds = *retry_after_seconds};
}

Bytes Trust::encode() const {
  Writer w = begin(Kind::trust);
  write_certificates(w, authorities);
  write_certificates(w, peers);
  return std::move(w).take();
}

Result<Trust> Trust::parse(ByteView frame) {
  Reader r(frame);
  if (!begins(r, Kind::trust)) return malformed("not a trust message");
  Trust trust;
  if (!read_certificates(r, trust.authorities) || !read_certificates(r, trust.peers) || !r.empty())
    return malformed("trust: wrong length");
  return trust;
}

Bytes Forward::encode() const {
  Writer w = begin(Kind::forward);
  w.u64(id)
      .u8(static_cast<std::uint8_t>(route))
      .lp(url)
      .lp(identity_certificate)
      .bytes(key_id)
      .u32(budget_ms)
      .lp4(body);
  return std::move(w).take();
}

Result<Forward> Forward::parse(ByteView frame) {
  Reader r(frame);
  if (!begins(r, Kind::forward)) return malformed("not a forward");
  const auto id = r.u64();
  const auto route = r.u8();
  auto url = r.text();
  const auto certificate = r.lp();
  const auto key_id = r.array<32>();
  const auto budget_ms = r.u32();
  const auto body = r.lp4();
  if (!id || !route || !url || !certificate || !key_id || !budget_ms || !body || !r.empty())
    return malformed("forward: wrong length");
  if (*route != static_cast<std::uint8_t>(PeerRoute::decrypt) &&
      *route != static_cast<std::uint8_t>(PeerRoute::peer_state))
    return malformed("forward: unknown route");
  if (certificate->size() > kMaxCertificate || body->size() > kMaxBody)
    return malformed("forward: too large");
  return Forward{.id = *id,
                 .route = static_cast<PeerRoute>(*route),
                 .url = std::move(*url),
                 .identity_certificate = {certificate->begin(), certificate->end()},
                 .key_id = *key_id,
                 .budget_ms = *budget_ms,
                 .body = {body->begin(), body->end()}};
}

Bytes Forwarded::encode() const {
  Writer w = begin(Kind::forwarded);
  w.u64(id);
  write_error(w, error);
  w.lp4(body);
  return std::move(w).take();
}

Result<Forwarded> Forwarded::parse(ByteView frame) {
  Reader r(frame);
  if (!begins(r, Kind::forwarded)) return malformed("not an answer of a peer");
  const auto id = r.u64();
  std::optional<Error> error;
  if (!id || !read_error(r, error)) return malformed("answer of a peer: bad error");
  const auto body = r.lp4();
  if (!body || !r.empty()) return malformed("answer of a peer: wrong length");
  if (body->size() > kMaxBody || (error && !body->empty())) return malformed("answer of a peer: too large");
  return Forwarded{.id = *id, .error = std::move(error), .body = {body->begin(), body->end()}};
}

namespace {

// In the order of the frame.
constexpr std::array kLimits{&Limits::request_seconds,
                             &Limits::idle_seconds,
                             &Limits::connections,
                             &Limits::handshake_seconds,
                             &Limits::connections_for_strangers,
                             &Limits::connections_per_address,
                             &Limits::connections_for_peers,
                             &Limits::requests,
                             &Limits::requests_per_client,
                             &Limits::requests_per_peer,
                             &Limits::requests_per_tenant,
                             &Limits::body_mib,
                             &Limits::body_mib_per_client,
                             &Limits::body_mib_per_tenant,
                             &Limits::hang_seconds};

}  // namespace

std::uint32_t Limits::places_for_strangers() const {
  return std::min(connections_for_strangers, std::max(connections / 2, 1u));
}

std::uint32_t Limits::places_for_peers() const {
  return std::min(connections_for_peers, (connections - places_for_strangers()) / 2);
}

std::uint32_t Limits::places_for_clients() const {
  return connections - places_for_strangers() - places_for_peers();
}

Status Limits::fit_into(std::uint64_t most) const {
  if (files() <= most) return Done{};
  return malformed(std::to_string(connections) + " connections need " + std::to_string(files()) +
                   " open files, and the system lets this process have " + std::to_string(most));
}

Bytes Limits::encode() const {
  Writer w = begin(Kind::limits);
  for (const auto limit : kLimits) w.u32(this->*limit);
  return std::move(w).take();
}

Result<Limits> Limits::parse(ByteView frame) {
  Reader r(frame);
  if (!begins(r, Kind::limits)) return malformed("not limits");
  Limits limits;
  for (const auto limit : kLimits) {
    const auto value = r.u32();
    if (!value || *value == 0 || *value > kMostLimit) return malformed("limits: wrong length or value");
    limits.*limit = *value;
  }
  if (!r.empty() || limits.connections < 2) return malformed("limits: wrong length or value");
  return limits;
}

Bytes Ready::encode() const {
  Writer w = begin(Kind::ready);
  w.u16(port);
  return std::move(w).take();
}

Result<Ready> Ready::parse(ByteView frame) {
  Reader r(frame);
  if (!begins(r, Kind::ready)) return malformed("not a ready message");
  const auto port = r.u16();
  if (!port || !r.empty()) return malformed("ready: wrong length");
  return Ready{*port};
}

Bytes Ping::encode(Kind kind) const {
  invariant(kind == Kind::ping || kind == Kind::pong);
  Writer w = begin(kind);
  w.u64(number);
  return std::move(w).take();
}

Result<Ping> Ping::parse(Kind kind, ByteView frame) {
  Reader r(frame);
  if (!begins(r, kind)) return malformed("not a ping");
  const auto number = r.u64();
  if (!number || !r.empty()) return malformed("ping: wrong length");
  return Ping{*number};
}

Bytes encode_reload() {
  return begin(Kind::reload).take();
}
Bytes encode_stop() {
  return begin(Kind::stop).take();
}

}  // namespace coprotect::agent::ipc
