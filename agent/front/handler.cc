// How one request becomes a call to the custodian, and its reply an answer.

#include <charconv>
#include <cstring>

#include "agent/c_boundary.h"
#include "agent/front/callbacks.h"
#include "agent/front/request.h"

namespace coprotect::agent::front {
namespace {

constexpr std::size_t kMaxHead = std::size_t{16} << 10;
constexpr std::size_t kMaxBodies = std::size_t{256} << 20;  // of all requests together
// The custodian's time ends by this part before the request's, so that there is time to say "unavailable".
constexpr int kMarginDivisor = 10;

const Refusal kTooLarge{Error(Code::malformed, "the body is larger than this request may have"),
                        MHD_HTTP_CONTENT_TOO_LARGE};
const Refusal kTooMuchAtOnce{Error(Code::limited, "the agent has too many requests at once"),
                             MHD_HTTP_TOO_MANY_REQUESTS};
const Refusal kStopping{Error(Code::unavailable, "the agent is stopping"), MHD_HTTP_SERVICE_UNAVAILABLE};

std::size_t body_limit(ipc::Route route) {
  return takes_body(route) ? ipc::kMaxBody : 0;
}

std::size_t head_size(MHD_Connection* connection) {
  const auto* const info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  return info == nullptr ? 0 : info->header_size;
}

// Whether the head announces a body above the limit. What is no number libmicrohttpd has refused already.
bool announces_more_than(MHD_Connection* connection, std::size_t limit) {
  const char* const text =
      MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
  if (text == nullptr) return false;
  std::uint64_t length = 0;
  const auto parsed = std::from_chars(text, text + std::strlen(text), length);
  return parsed.ec != std::errc{} || length > limit;
}

bool has_query(MHD_Connection* connection) {
  return MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, nullptr, nullptr) > 0;
}

}  // namespace

// What of the head makes the front refuse the request.
std::optional<Refusal> Callbacks::objection(Server& server, MHD_Connection* connection, const Match& found) {
  if (head_size(connection) > kMaxHead)
    return Refusal{Error(Code::malformed, "the head is larger than 16 KiB"),
                   MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE};
  // Not only in the handshake: authorities come and go, and a certificate expires, while a connection lasts.
  auto checked = server.check_peer(*Connection::of(connection), Connection::session_of(connection));
  if (!checked) return Refusal{std::move(checked).error(), MHD_HTTP_UNAUTHORIZED};
  const bool between_agents = found.kind == Match::Kind::found &&
                              (found.route == ipc::Route::decrypt || found.route == ipc::Route::peer_state);
  if (Connection::of(connection)->peer.is_agent && !between_agents)
    return Refusal{Error(Code::denied, "an agent's certificate is good for requests between agents only"),
                   MHD_HTTP_FORBIDDEN};
  if (found.kind == Match::Kind::no_such_path || has_query(connection))
    return Refusal{Error(Code::not_found, "no such path"), MHD_HTTP_NOT_FOUND};
  if (found.kind == Match::Kind::wrong_method)
    return Refusal{Error(Code::malformed, "the path does not know this method"), MHD_HTTP_METHOD_NOT_ALLOWED,
                   found.allow};
  return std::nullopt;
}

// The head is there. A refusal waits until the body has ended, so that the connection can be kept; unless the
// body is announced to be too large.
MHD_Result Callbacks::begin(Server& server, MHD_Connection* connection, std::string_view method,
                            std::string_view path, void** context) {
  Match found = match(method, path);
  auto refusal = objection(server, connection, found);
  if (announces_more_than(connection, refusal ? ipc::kMaxBody : body_limit(found.route)))
    return answer(connection, refusal.value_or(kTooLarge));
  ++server.running_;  // before the look at draining_: drain() looks the other way round
  if (server.draining_) {
    server.request_ended();
    return answer(connection, kStopping);
  }
  *context =
      new Request{.route = found.route, .subject = std::move(found.subject), .refusal = std::move(refusal)};
  return MHD_YES;
}

// A part of the body. Too much of it is swallowed until the body ends, or the request's time, and then
// refused.
void Callbacks::take(Server& server, Request& request, ByteView part) {
  if (request.refusal) return;
  if (part.size() > body_limit(request.route) - request.body.size()) {
    request.refusal = kTooLarge;
  } else if (server.body_bytes_ + part.size() > kMaxBodies) {
    request.refusal = kTooMuchAtOnce;
  } else {
    server.body_bytes_ += part.size();
    request.held += part.size();
    request.body.insert(request.body.end(), part.begin(), part.end());
  }
}

// The request is whole: the custodian has it until its reply resumes the connection.
void Callbacks::forward(Server& server, MHD_Connection* connection, Request& request) {
  const Connection& known = *Connection::of(connection);
  ipc::Call call{.id = 0,
                 .route = request.route,
                 .subject = request.subject,
                 .peer_certificate = known.peer.certificate,
                 .budget_ms = 0,
                 .body = std::move(request.body)};
  const Clock::time_point deadline =
      server.deadlines_.of(known.socket) - server.limits_.request / kMarginDivisor;
  MHD_suspend_connection(connection);
  // A suspended connection's request stays until it is resumed.
  server.exchange_.call(std::move(call), deadline, [connection, &request](ipc::Reply reply) {
    request.reply = std::move(reply);
    MHD_resume_connection(connection);
  });
}

MHD_Result Callbacks::on_request(void* cls, MHD_Connection* connection, const char* url, const char* method,
                                 const char*, const char* data, std::size_t* size, void** context) noexcept {
  return at_c_boundary(MHD_NO, [&] {
    Server& server = *static_cast<Server*>(cls);
    if (Connection::of(connection) == nullptr) return MHD_NO;
    if (*context == nullptr) return begin(server, connection, method, url, context);
    Request& request = *static_cast<Request*>(*context);
    if (*size != 0) {
      take(server, request, {reinterpret_cast<const std::uint8_t*>(data), *size});
      *size = 0;
      return MHD_YES;
    }
    if (request.refusal) return answer(connection, *request.refusal);
    if (request.reply) return answer(connection, request.route, std::move(*request.reply));
    forward(server, connection, request);
    return MHD_YES;
  });
}

void Callbacks::on_completed(void* cls, MHD_Connection* connection, void** context,
                             MHD_RequestTerminationCode) noexcept {
  at_c_boundary(0, [&] {
    Server& server = *static_cast<Server*>(cls);
    if (const Connection* const known = Connection::of(connection))
      server.deadlines_.request_ended(known->socket);
    const std::unique_ptr<Request> request(static_cast<Request*>(*context));
    *context = nullptr;
    if (request == nullptr) return 0;
    server.body_bytes_ -= request->held;
    server.request_ended();
    return 0;
  });
}

}  // namespace coprotect::agent::front
