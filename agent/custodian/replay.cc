#include "agent/custodian/replay.h"

namespace coprotect::agent::custodian::replay {
namespace {

using protocol::kRequestWindowMs;

Error known() {
  return {Code::replayed, "the request was answered before"};
}

}  // namespace

Status look(Transaction& transaction, const Digest& client, const protocol::Request& request,
            std::int64_t now_ms) {
  const std::int64_t age = now_ms - request.time_ms;
  if (age > kRequestWindowMs || age < -kRequestWindowMs)
    return Error(Code::stale, "the request's time is " + std::to_string((age < 0 ? -age : age) / 1000) +
                                  " s " + (age < 0 ? "ahead of" : "behind") + " this agent's clock");
  Query query = transaction.query("SELECT 1 FROM nonces WHERE client=? AND nonce=?");
  const auto found = query.bind(client).bind(request.nonce).step();
  if (!found) return found.error();
  return *found ? Status(known()) : Status(Done{});
}

Status claim(Transaction& transaction, const Digest& client, const protocol::Request& request) {
  Query query = transaction.query("INSERT INTO nonces(client, nonce, time_ms) VALUES(?, ?, ?)");
  const auto taken = query.bind(client).bind(request.nonce).bind(request.time_ms).run();
  if (!taken && query.violated_uniqueness()) return known();
  return taken;
}

Status prune(Transaction& transaction, std::int64_t now_ms) {
  return transaction.query("DELETE FROM nonces WHERE time_ms<?").bind(now_ms - 2 * kRequestWindowMs).run();
}

}  // namespace coprotect::agent::custodian::replay
