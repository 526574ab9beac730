#include "agent/custodian/log.h"

#include <algorithm>

#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::EntryKind;
using protocol::LogEntry;
using protocol::LogHead;
using protocol::LogReply;

constexpr std::size_t kMaxReply = std::size_t{4} << 20;
constexpr std::uint64_t kMilestone = 1024;

Error altered(const std::string& how) {
  return {Code::altered, "the log was altered: " + how};
}

// Only what is lost may be missing, and an entry says so.
bool may_follow(const LogEntry& entry, std::uint64_t last) {
  return entry.seq == last + 1 || (entry.kind == EntryKind::store && entry.seq > last);
}

}  // namespace

void Log::advance(const LogEntry& entry, const Digest& chain) {
  if (entry.seq > seq_ + 1) missing_.emplace_back(seq_ + 1, entry.seq - 1);
  if (entry.kind == EntryKind::store && entry.request_hash != Digest{}) lost_.insert(entry.request_hash);
  seq_ = entry.seq;
  chain_ = chain;
  if (++entries_ % kMilestone == 0) milestones_.push_back({seq_, chain_});
}

Status Log::load(Transaction& transaction, const std::function<void(const LogEntry&)>& visit) {
  {
    Query entries = transaction.query("SELECT seq, entry FROM log ORDER BY seq");
    const auto read = entries.each([&]() -> Status {
      const Bytes encoded = entries.blob(1);
      const auto entry = LogEntry::parse(encoded);
      const std::string name = "entry " + std::to_string(seq_ + 1);
      if (!entry) return altered(name + " is not one");
      if (!may_follow(*entry, seq_) || entries.integer(0) != static_cast<std::int64_t>(entry->seq))
        return altered(name + " is missing");
      advance(*entry, protocol::chain_next(chain_, protocol::sha256(encoded)));
      visit(*entry);
      return Done{};
    });
    if (!read) return read;
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
  return write(transaction, std::move(entry));
}

Status Log::append_after(Transaction& transaction, LogEntry entry, const LogHead& lost) {
  invariant(entry.kind == EntryKind::store);
  entry.seq = std::max(seq_, lost.seq) + 1;
  entry.request_hash = lost.chain;
  return write(transaction, std::move(entry));
}

Status Log::write(Transaction& transaction, LogEntry entry) {
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
  transaction.after_commit([this, entry = std::move(entry), chain, head = std::move(head)] {
    advance(entry, chain);
    head_ = head;
  });
  return Done{};
}

std::optional<LogHead> Log::head() const {
  if (seq_ == 0) return std::nullopt;
  auto head = LogHead::parse(head_);
  invariant(static_cast<bool>(head));
  return *std::move(head);
}

Result<bool> Log::accounts_for(Transaction& transaction, const LogHead& head) const {
  if (head.seq == seq_) return head.chain == chain_ || lost_.contains(head.chain);
  if (head.seq > seq_) return false;
  if (lost_.contains(head.chain)) return true;
  for (const auto& [first, last] : missing_)
    if (head.seq >= first && head.seq <= last) return true;
  const auto chain = chain_before(transaction, head.seq + 1);
  if (!chain) return chain.error();
  return *chain == head.chain;
}

// From the last milestone before it, entry by entry.
Result<Digest> Log::chain_before(Transaction& transaction, std::uint64_t seq) const {
  if (seq > seq_) return chain_;
  const auto after = std::lower_bound(milestones_.begin(), milestones_.end(), seq,
                                      [](const Place& place, std::uint64_t to) { return place.seq < to; });
  Place place = after == milestones_.begin() ? *after : *std::prev(after);
  Query query = transaction.query("SELECT entry FROM log WHERE seq>? AND seq<? ORDER BY seq");
  query.bind(static_cast<std::int64_t>(place.seq)).bind(static_cast<std::int64_t>(seq));
  const auto read = query.each([&]() -> Status {
    place.chain = protocol::chain_next(place.chain, protocol::sha256(query.blob(0)));
    return Done{};
  });
  if (!read) return read.error();
  return place.chain;
}

Result<LogReply> Log::read(Transaction& transaction, std::string_view tenant, std::uint64_t from,
                           std::uint16_t limit) const {
  const auto before = chain_before(transaction, from);
  if (!before) return before.error();
  LogReply reply{.head = head_, .before = *before, .lines = {}};
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
    if (entry->tenant != tenant && entry->kind != EntryKind::store) encoded.clear();
    size += encoded.size() + hash.size();
    reply.lines.push_back({std::move(encoded), hash});
  }
  return reply;
}

}  // namespace coprotect::agent::custodian
