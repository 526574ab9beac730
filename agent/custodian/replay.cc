#include "agent/custodian/replay.h"

#include <map>
#include <optional>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::agent::custodian::replay {
namespace {

using protocol::kRequestWindowMs;

Error known() {
  return {Code::replayed, "the request was answered before"};
}

Bytes row_name(const Digest& client) {
  return {client.begin(), client.end()};
}

void note_forgotten(Transaction& transaction, const Bytes& client, std::int64_t newest_ms) {
  Writer w;
  w.u64(static_cast<std::uint64_t>(newest_ms));
  transaction.rows().put(Table::forgotten_nonces, client, std::move(w).take());
}

// The time of a client's newest forgotten nonce.
std::optional<std::int64_t> forgotten(Transaction& transaction, const Bytes& client) {
  const Bytes* const content = transaction.rows().find(Table::forgotten_nonces, client);
  if (content == nullptr) return std::nullopt;
  const auto newest = Reader(*content).u64();
  return newest ? std::optional(static_cast<std::int64_t>(*newest)) : std::nullopt;
}

}  // namespace

Status load(Transaction& transaction) {
  Query query = transaction.query("SELECT client, newest_ms FROM forgotten_nonces");
  return query.each([&]() -> Status {
    note_forgotten(transaction, query.blob(0), query.integer(1));
    return Done{};
  });
}

Status look(Transaction& transaction, const Digest& client, const protocol::Request& request,
            std::int64_t now_ms) {
  const std::int64_t age = now_ms - request.time_ms;
  if (age > kRequestWindowMs || age < -kRequestWindowMs)
    return Error(Code::stale, "the request's time is " + std::to_string((age < 0 ? -age : age) / 1000) +
                                  " s " + (age < 0 ? "ahead of" : "behind") + " this agent's clock");
  if (const auto newest = forgotten(transaction, row_name(client)); newest && request.time_ms <= *newest)
    return known();
  Query query = transaction.query("SELECT 1 FROM nonces WHERE client=? AND nonce=?");
  const auto found = query.bind(client).bind(request.nonce).step();
  if (!found) return found.error();
  return *found ? Status(known()) : Status(Done{});
}

Status claim(Transaction& transaction, const Digest& client, const protocol::Request& request,
             std::int64_t running_ms) {
  Query query =
      transaction.query("INSERT INTO nonces(client, nonce, time_ms, running_ms) VALUES(?, ?, ?, ?)");
  const auto taken =
      query.bind(client).bind(request.nonce).bind(request.time_ms).bind(running_ms).run(Rows::one);
  if (!taken && query.violated_uniqueness()) return known();
  return taken;
}

Status prune(Transaction& transaction, std::int64_t now_ms, std::int64_t running_ms) {
  std::map<Bytes, std::int64_t> newest;  // by client
  {
    Query query = transaction.query(
        "SELECT client, max(time_ms) FROM nonces WHERE time_ms<? AND running_ms<? GROUP BY client");
    query.bind(now_ms - 2 * kRequestWindowMs).bind(running_ms - 2 * kRequestWindowMs);
    const auto read = query.each([&]() -> Status {
      newest.emplace(query.blob(0), query.integer(1));
      return Done{};
    });
    if (!read) return read;
  }
  for (const auto& [client, time_ms] : newest) {
    if (const auto before = forgotten(transaction, client); before && *before >= time_ms) continue;
    const auto noted =
        transaction.query("INSERT OR REPLACE INTO forgotten_nonces(client, newest_ms) VALUES(?, ?)")
            .bind(client)
            .bind(time_ms)
            .run(Rows::one);
    if (!noted) return noted;
    note_forgotten(transaction, client, time_ms);
  }
  return transaction.query("DELETE FROM nonces WHERE time_ms<? AND running_ms<?")
      .bind(now_ms - 2 * kRequestWindowMs)
      .bind(running_ms - 2 * kRequestWindowMs)
      .run(Rows::any);
}

}  // namespace coprotect::agent::custodian::replay
