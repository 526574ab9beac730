#include "agent/custodian/log.h"

#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::LogEntry;
using protocol::LogHead;
using protocol::LogReply;

constexpr std::size_t kMaxReply = std::size_t{4} << 20;

Error altered(const std::string& how) {
  return {Code::altered, "the log was altered: " + how};
}

}  // namespace

Status Log::load(Transaction& transaction, const std::function<void(const LogEntry&)>& visit) {
  {
    Query entries = transaction.query("SELECT seq, entry FROM log ORDER BY seq");
    for (;;) {
      const auto row = entries.step();
      if (!row) return row.error();
      if (!*row) break;
      const Bytes encoded = entries.blob(1);
      const auto entry = LogEntry::parse(encoded);
      const std::string name = "entry " + std::to_string(seq_ + 1);
      if (!entry) return altered(name + " is not one");
      if (entry->seq != seq_ + 1 || entries.integer(0) != static_cast<std::int64_t>(seq_ + 1))
        return altered(name + " is missing");
      ++seq_;
      chain_ = protocol::chain_next(chain_, protocol::sha256(encoded));
      visit(*entry);
    }
  }
  Query query = transaction.query("SELECT head FROM log_head");
  const auto row = query.step();
  if (!row) return row.error();
  if (!*row) return seq_ == 0 ? Status(Done{}) : altered("its signed head is missing");
  head_ = query.blob(0);
  const auto head = LogHead::parse(head_);
  if (!head || head->identity_key != keyring_.identity().public_key().bytes())
    return altered("its head is not signed by this agent");
  if (head->seq != seq_)
    return altered("its signed head says " + std::to_string(head->seq) + " entries, there are " +
                   std::to_string(seq_));
  if (head->chain != chain_) return altered("an entry is not the one under the signed head");
  return Done{};
}

Status Log::append(Transaction& transaction, LogEntry entry) {
  entry.seq = seq_ + 1;
  const Bytes encoded = entry.encode();
  const Digest chain = protocol::chain_next(chain_, protocol::sha256(encoded));
  Bytes head = LogHead::sign(entry.seq, entry.time_ms, chain, keyring_.identity()).encode();
  const auto written = transaction.query("INSERT INTO log(seq, entry) VALUES(?, ?)")
                           .bind(static_cast<std::int64_t>(entry.seq))
                           .bind(encoded)
                           .run();
  if (!written) return written;
  const auto signed_head =
      transaction.query("INSERT OR REPLACE INTO log_head(only, head) VALUES(1, ?)").bind(head).run();
  if (!signed_head) return signed_head;
  transaction.after_commit([this, seq = entry.seq, chain, head = std::move(head)] {
    seq_ = seq;
    chain_ = chain;
    head_ = head;
  });
  return Done{};
}

Result<LogReply> Log::read(Transaction& transaction, std::string_view tenant, std::uint64_t from,
                           std::uint16_t limit) const {
  LogReply reply{.head = head_, .lines = {}};
  if (from > seq_) return reply;
  Query query = transaction.query("SELECT entry FROM log WHERE seq>=? ORDER BY seq LIMIT ?");
  query.bind(static_cast<std::int64_t>(from)).bind(static_cast<std::int64_t>(limit));
  std::size_t size = 0;
  while (size < kMaxReply) {
    const auto row = query.step();
    if (!row) return row.error();
    if (!*row) break;
    Bytes encoded = query.blob(0);
    const auto entry = LogEntry::parse(encoded);
    if (!entry) return altered("an entry is not one");
    const Digest hash = protocol::sha256(encoded);
    if (entry->tenant != tenant) encoded.clear();
    size += encoded.size() + hash.size();
    reply.lines.push_back({std::move(encoded), hash});
  }
  return reply;
}

}  // namespace coprotect::agent::custodian
