#include "agent/front/exchange.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <poll.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace coprotect::agent::front {

std::string make_request_id() {
  ByteArray<8> bytes;
  invariant(gnutls_rnd(GNUTLS_RND_NONCE, bytes.data(), bytes.size()) == GNUTLS_E_SUCCESS);
  return to_hex(bytes);
}

void Exchange::call(ipc::Call call, int socket, Clock::time_point deadline, Answered answered) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  call.budget_ms = static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 0, kMost));
  {
    const std::lock_guard lock(mutex_);
    call.id = next_id_++;
    waiting_.emplace(call.id, Waiting{socket, deadline, std::move(answered)});
  }
  if (!channel_.send(call.encode())) give_up(call.id, "the custodian does not answer");
}

void Exchange::deliver(ipc::Reply reply) {
  decltype(waiting_)::node_type node;
  {
    const std::lock_guard lock(mutex_);
    node = waiting_.extract(reply.id);
  }
  if (node) node.mapped().answered(std::move(reply));
}

std::vector<std::uint64_t> Exchange::overdue(Clock::time_point now) {
  std::vector<std::uint64_t> found;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, waiting] : waiting_)
    if (now >= waiting.deadline) found.push_back(id);
  overdue_ += found.size();
  return found;
}

// libmicrohttpd does not watch a connection that it has suspended. Connections answered meanwhile may be
// closed and their sockets reused: then no call of that id is left to give up.
std::vector<std::uint64_t> Exchange::abandoned() {
  std::vector<std::uint64_t> ids;
  std::vector<pollfd> sockets;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, waiting] : waiting_) {
      ids.push_back(id);
      sockets.push_back({waiting.socket, POLLRDHUP, 0});
    }
  }
  if (sockets.empty() || poll(sockets.data(), sockets.size(), 0) <= 0) return {};
  std::vector<std::uint64_t> found;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (sockets[i].revents != 0) found.push_back(ids[i]);
  return found;
}

void Exchange::sweep(Clock::time_point now) {
  for (const std::uint64_t id : overdue(now)) give_up(id, "no answer within the request's time");
  for (const std::uint64_t id : abandoned()) give_up(id, "the client has closed the connection");
}

void Exchange::pong(std::uint64_t number, ipc::Usage usage) {
  {
    const std::lock_guard lock(mutex_);
    usage[ipc::FrontLimit::request_seconds].hits += overdue_;
  }
  static_cast<void>(channel_.send(usage.encode()));
  static_cast<void>(
      channel_.send(ipc::Ping{number}.encode(ipc::Kind::pong)));  // the reading thread sees its end
}

void Exchange::give_up(std::uint64_t id, const std::string& why) {
  static_cast<void>(channel_.send(ipc::GivenUp{id}.encode()));
  deliver({.id = id, .error = Error(Code::unavailable, why), .request_id = make_request_id(), .body = {}});
}

}  // namespace coprotect::agent::front
