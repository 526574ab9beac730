// How one request becomes a call to the custodian, and its reply an answer.

#include <charconv>
#include <cstring>
#include <limits>

#include "agent/c_boundary.h"
#include "agent/front/callbacks.h"
#include "agent/front/problem.h"
#include "agent/front/request.h"

namespace coprotect::agent::front {
namespace {

// The custodian's time ends before the request's by this fraction of it, which leaves time to answer
// "unavailable".
constexpr int kMarginDivisor = 10;
// When to retry a request that exceeds a budget: requests take a fraction of a second, and the client adds a
// random delay.
constexpr std::chrono::seconds kLater(1);

const Refusal kTooLarge{Error(Code::malformed, "the body is larger than this request may have"),
                        MHD_HTTP_CONTENT_TOO_LARGE};
const Refusal kNotARequest{Error(Code::malformed, "not a request of RFC 9112"), MHD_HTTP_BAD_REQUEST};
const Refusal kStopping{Error(Code::unavailable, "the agent is stopping"), MHD_HTTP_SERVICE_UNAVAILABLE};

std::size_t body_limit(ipc::Route route) {
  return takes_body(route) ? ipc::kMaxBody : 0;
}

// The body length that the head announces; nothing if it announces none. Heads with an invalid number were
// rejected earlier.
std::optional<std::uint64_t> announced(MHD_Connection* connection) {
  const char* const text =
      MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
  if (text == nullptr) return std::nullopt;
  std::uint64_t length = 0;
  const auto parsed = std::from_chars(text, text + std::strlen(text), length);
  return parsed.ec == std::errc{} ? length : std::numeric_limits<std::uint64_t>::max();
}

// A client, or all clients together, have too much under way.
Refusal over_budget(const Error& error) {
  return {.error = error, .status = http_status(error.code()), .later = kLater, .close = true};
}

bool has_query(MHD_Connection* connection) {
  return MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, nullptr, nullptr) > 0;
}

}  // namespace

// The reason in the head to refuse the request, if any.
std::optional<Refusal> Callbacks::objection(Server& server, MHD_Connection* connection, const Match& found) {
  // Checked here too, not only in the handshake: CAs change and certificates expire during a connection.
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

// Answers without waiting for the body, which may be large. The connection then ends. It is drained, so that
// the answer reaches a client that is still sending.
MHD_Result Callbacks::refuse(Server& server, MHD_Connection* connection, const Refusal& refusal) {
  Connection& known = *Connection::of(connection);
  known.see_off = true;
  server.request_ended();
  if (refusal.later.count() != 0) server.tally_.count(known.source, "requests over a limit");
  return answer(connection, refusal);
}

// The head is complete. A refusal waits until the body has ended, so that the connection can be kept, unless
// the announced body is too large or a limit is reached.
MHD_Result Callbacks::begin(Server& server, MHD_Connection* connection, std::string_view method,
                            std::string_view path, void** context) {
  ++server.running_;  // before reading draining_; drain() uses the opposite order
  Connection& known = *Connection::of(connection);
  // The two parsers disagree about the requests: the stricter one is right.
  if (++known.requests > known.messages.heads()) return refuse(server, connection, kNotARequest);
  if (server.draining_) return refuse(server, connection, kStopping);
  Match found = match(method, path);
  auto refusal = objection(server, connection, found);
  if (known.excess) return refuse(server, connection, over_budget(*known.excess));
  const auto length = announced(connection);
  if (length.value_or(0) > (refusal ? ipc::kMaxBody : body_limit(found.route)))
    return refuse(server, connection, refusal.value_or(kTooLarge));
  auto request = std::make_unique<Request>(
      Request{.route = found.route, .subject = std::move(found.subject), .refusal = std::move(refusal)});
  if (!request->refusal) {
    const auto bytes = static_cast<std::size_t>(length.value_or(0));
    Holder holder{.key = known.peer.key, .tenant = known.peer.tenant};
    if (auto given = server.budgets_.begin(holder, bytes); !given)
      return refuse(server, connection, over_budget(given.error()));
    // Only now: a refused request must not keep a place, however long its body takes.
    server.places_.busy(known.socket);
    request->holder = std::move(holder);
    request->held = bytes;
  }
  *context = request.release();
  return MHD_YES;
}

// A part of the body. An excess is dropped until the body or the request's time ends; then the request is
// refused.
void Callbacks::take(Server& server, Request& request, ByteView part) {
  if (request.refusal) return;
  if (part.size() > body_limit(request.route) - request.body.size()) {
    request.refusal = kTooLarge;
    return;
  }
  const std::size_t size = request.body.size() + part.size();
  if (size > request.held) {
    if (auto given = server.budgets_.grow(*request.holder, size - request.held); !given) {
      request.refusal = over_budget(given.error());
      return;
    }
    request.held = size;
  }
  request.body.insert(request.body.end(), part.begin(), part.end());
}

// The request is complete. The custodian has it until its reply resumes the connection.
void Callbacks::forward(Server& server, MHD_Connection* connection, Request& request) {
  const Connection& known = *Connection::of(connection);
  ipc::Call call{.id = 0,
                 .route = request.route,
                 .subject = request.subject,
                 .peer_certificate = known.peer.certificate,
                 .authority = known.peer.tenant,
                 .budget_ms = 0,
                 .body = std::move(request.body)};
  const Clock::time_point deadline =
      server.deadlines_.of(known.socket) - server.request_time_.load() / kMarginDivisor;
  server.deadlines_.forwarded(known.socket);
  MHD_suspend_connection(connection);
  // The request exists until its suspended connection is resumed.
  server.exchange_.call(std::move(call), known.socket, deadline,
                        [&server, &known, connection, &request](ipc::Reply reply) {
                          request.reply = std::move(reply);
                          server.deadlines_.answered(known.socket);
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
    if (const Connection* const known = Connection::of(connection)) {
      server.deadlines_.request_ended(known->socket);
      server.places_.idle(known->socket, Clock::now());
    }
    const std::unique_ptr<Request> request(static_cast<Request*>(*context));
    *context = nullptr;
    if (request == nullptr) return 0;
    if (request->holder) server.budgets_.end(*request->holder, request->held);
    server.request_ended();
    return 0;
  });
}

}  // namespace coprotect::agent::front
