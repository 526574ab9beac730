#include "agent/front/exchange.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace coprotect::agent::front {

std::string make_request_id() {
  ByteArray<8> bytes;
  invariant(gnutls_rnd(GNUTLS_RND_NONCE, bytes.data(), bytes.size()) == GNUTLS_E_SUCCESS);
  return to_hex(bytes);
}

void Exchange::call(ipc::Call call, Clock::time_point deadline, Answered answered) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  call.budget_ms = static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 0, kMost));
  {
    const std::lock_guard lock(mutex_);
    call.id = next_id_++;
    waiting_.emplace(call.id, Waiting{deadline, std::move(answered)});
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

void Exchange::sweep(Clock::time_point now) {
  std::vector<std::uint64_t> overdue;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, waiting] : waiting_)
      if (now >= waiting.deadline) overdue.push_back(id);
  }
  for (const std::uint64_t id : overdue) give_up(id, "no answer within the request's time");
}

void Exchange::give_up(std::uint64_t id, const std::string& why) {
  deliver({.id = id, .error = Error(Code::unavailable, why), .request_id = make_request_id(), .body = {}});
}

}  // namespace coprotect::agent::front
