#include "agent/ipc/messages.h"

#include <algorithm>
#include <utility>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::agent::ipc {
namespace {

constexpr std::uint8_t kNoError = 0;  // otherwise the Code's number and 1
constexpr std::size_t kMaxErrorMessage = 4096;
constexpr std::size_t kRequestIdDigits = 16;

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
      *number > static_cast<std::uint8_t>(Route::derive))
    return std::nullopt;
  return static_cast<Route>(*number);
}

std::optional<Code> code_of(std::uint8_t number) {
  if (number > static_cast<std::uint8_t>(Code::internal)) return std::nullopt;
  return static_cast<Code>(number);
}

}  // namespace

Result<Kind> kind_of(ByteView frame) {
  if (frame.empty() || frame[0] < static_cast<std::uint8_t>(Kind::call) ||
      frame[0] > static_cast<std::uint8_t>(Kind::stop))
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
  }
  return "";
}

bool valid_subject(Route route, std::string_view subject) {
  switch (route) {
    case Route::health:
    case Route::open:
    case Route::status:
      return subject.empty();
    case Route::client_list_get:
    case Route::client_list_put:
      return is_tenant(subject);
    case Route::bundle:
    case Route::partial_decrypt:
    case Route::recovery_share:
    case Route::log:
    case Route::derive:
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
  w.u64(id).u8(static_cast<std::uint8_t>(route)).lp(subject).lp(peer_certificate).u32(budget_ms).lp4(body);
  return std::move(w).take();
}

Result<Call> Call::parse(ByteView frame) {
  Reader r(frame);
  if (!begins(r, Kind::call)) return malformed("not a call");
  const auto id = r.u64();
  const auto route = route_of(r.u8());
  auto subject = r.text();
  const auto certificate = r.lp();
  const auto budget_ms = r.u32();
  const auto body = r.lp4();
  if (!id || !route || !subject || !certificate || !budget_ms || !body || !r.empty())
    return malformed("call: wrong length or route");
  if (!valid_subject(*route, *subject)) return malformed("call: subject does not suit its route");
  if (certificate->size() > kMaxCertificate || body->size() > kMaxBody) return malformed("call: too large");
  return Call{.id = *id,
              .route = *route,
              .subject = std::move(*subject),
              .peer_certificate = {certificate->begin(), certificate->end()},
              .budget_ms = *budget_ms,
              .body = {body->begin(), body->end()}};
}

Bytes Reply::encode() const {
  Writer w = begin(Kind::reply);
  w.u64(id);
  if (error) {
    const std::string_view message = error->message();
    w.u8(static_cast<std::uint8_t>(static_cast<int>(error->code()) + 1))
        .lp(message.substr(0, kMaxErrorMessage));
  } else {
    w.u8(kNoError).lp("");
  }
  w.lp(request_id).lp4(body);
  return std::move(w).take();
}

Result<Reply> Reply::parse(ByteView frame) {
  Reader r(frame);
  if (!begins(r, Kind::reply)) return malformed("not a reply");
  const auto id = r.u64();
  const auto error_number = r.u8();
  auto message = r.text();
  auto request_id = r.text();
  const auto body = r.lp4();
  if (!id || !error_number || !message || !request_id || !body || !r.empty())
    return malformed("reply: wrong length");
  if (message->size() > kMaxErrorMessage || body->size() > kMaxBody) return malformed("reply: too large");
  if (!is_lower_hex(*request_id, kRequestIdDigits)) return malformed("reply: bad request id");
  std::optional<Error> error;
  if (*error_number != kNoError) {
    const auto code = code_of(static_cast<std::uint8_t>(*error_number - 1));
    if (!code || !body->empty()) return malformed("reply: bad error");
    error.emplace(*code, std::move(*message));
  } else if (!message->empty()) {
    return malformed("reply: a message without an error");
  }
  return Reply{.id = *id,
               .error = std::move(error),
               .request_id = std::move(*request_id),
               .body = {body->begin(), body->end()}};
}

Bytes Trust::encode() const {
  Writer w = begin(Kind::trust);
  w.u32(static_cast<std::uint32_t>(authorities.size()));
  for (const Bytes& authority : authorities) w.lp(authority);
  return std::move(w).take();
}

Result<Trust> Trust::parse(ByteView frame) {
  Reader r(frame);
  if (!begins(r, Kind::trust)) return malformed("not a trust message");
  const auto count = r.u32();
  if (!count) return malformed("trust: wrong length");
  Trust trust;
  for (std::uint32_t i = 0; i < *count; ++i) {  // each takes two bytes at least, so a lying count ends soon
    const auto authority = r.lp();
    if (!authority || authority->empty() || authority->size() > kMaxCertificate)
      return malformed("trust: wrong length");
    trust.authorities.emplace_back(authority->begin(), authority->end());
  }
  if (!r.empty()) return malformed("trust: wrong length");
  return trust;
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

Bytes encode_reload() {
  return begin(Kind::reload).take();
}
Bytes encode_stop() {
  return begin(Kind::stop).take();
}

}  // namespace coprotect::agent::ipc
