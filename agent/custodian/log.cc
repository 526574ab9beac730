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

// Entries may be missing only where a store entry records that they are lost.
bool may_follow(const LogEntry& entry, std::uint64_t last) {
  return entry.seq == last + 1 || (entry.kind == EntryKind::store && entry.seq > last);
}

Error too_new(std::uint64_t seq) {
  return altered(
      "entry " + std::to_string(seq) +
      " is damaged on the disk, and what it counts today is not known; repair it from a backup with "
      "coprotect-provision repair-log");
}

// Whether it names a head with lost entries.
bool says_lost(const LogEntry& entry) {
  return entry.kind == EntryKind::store && entry.request_hash != Digest{} &&
         entry.operation != static_cast<std::uint8_t>(protocol::Recorded::cut_log);
}

}  // namespace

void Log::advance(const LogEntry& entry, const Digest& chain) {
  if (says_lost(entry)) lost_.insert(entry.request_hash);
  go_to(entry.seq, chain);
}

void Log::advance(std::uint64_t seq, const Digest& hash) {
  go_to(seq, protocol::chain_next(chain_, hash));
}

void Log::go_to(std::uint64_t seq, const Digest& chain) {
  if (seq > seq_ + 1) missing_.emplace_back(seq_ + 1, seq - 1);
  seq_ = seq;
  chain_ = chain;
  if (++entries_ % kMilestone == 0) milestones_.push_back({seq_, chain_});
}

Status Log::load(Transaction& transaction, const LogReading& reading) {
  if (auto loaded = load_cut(transaction, reading.begin); !loaded) return loaded;
  if (auto found = find_damage(transaction, reading.repairs); !found) return found;
  if (auto read = read_entries(transaction, reading); !read) return read;
  Query query = transaction.query("SELECT head FROM log_head");
  const auto row = query.step();
  if (!row) return row.error();
  if (!*row) return seq_ == 0 ? due_.load(transaction, std::nullopt) : altered("its signed head is missing");
  head_ = query.blob(0);
  const auto head = LogHead::parse(head_);
  if (!head || head->identity_key != keyring_.identity().public_key().bytes())
    return altered("its head is not signed by this agent");
  if (head->seq != seq_)
    return altered("its signed head says " + std::to_string(head->seq) + " entries, there are " +
                   std::to_string(seq_));
  if (head->chain != chain_) return altered("an entry is not the one under the signed head");
  return due_.load(transaction, chain_);
}

Status Log::read_entries(Transaction& transaction, const LogReading& reading) {
  std::optional<std::uint64_t> damaged;  // no intact entry was read after it yet
  Query entries = transaction.query("SELECT seq, entry FROM log ORDER BY seq");
  const auto read = entries.each([&]() -> Status {
    const Bytes encoded = entries.blob(1);
    const std::string name = "entry " + std::to_string(seq_ + 1);
    const auto number = static_cast<std::uint64_t>(entries.integer(0));
    if (damaged_.contains(number)) {
      if (number <= seq_) return altered(name + " is missing");
      damaged = number;
      advance(number, damaged_.at(number));
      return Done{};
    }
    const auto entry = LogEntry::parse(encoded);
    if (!entry) return altered(name + " is not one");
    if (!may_follow(*entry, seq_) || number != entry->seq) return altered(name + " is missing");
    if (damaged && entry->time_ms >= reading.old_ms) return too_new(*damaged);
    damaged.reset();
    advance(*entry, protocol::chain_next(chain_, protocol::sha256(encoded)));
    reading.visit(*entry);
    return Done{};
  });
  if (!read) return read;
  return damaged ? Status(too_new(*damaged)) : Status(Done{});
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

Status Log::check_end(Transaction& transaction) const {
  std::uint64_t last = 0;
  {
    Query query = transaction.query("SELECT max(seq) FROM log");
    const auto row = query.step();
    if (!row) return row.error();
    last = static_cast<std::uint64_t>(query.integer(0));  // NULL, which is 0, if there is none
  }
  if (last != seq_)
    return transaction.found_altered(altered("it ends at entry " + std::to_string(last) +
                                             ", and this agent wrote up to entry " + std::to_string(seq_)));
  Query query = transaction.query("SELECT head FROM log_head");
  const auto row = query.step();
  if (!row) return row.error();
  if ((*row ? query.blob(0) : Bytes{}) != head_)
    return transaction.found_altered(altered("its signed head is not the one that this agent wrote last"));
  return Done{};
}

Status Log::write(Transaction& transaction, LogEntry entry) {
  if (auto same = check_end(transaction); !same) return same;
  const Bytes encoded = entry.encode();
  // An unreadable entry would prevent the next start, and with it all service: only this step fails instead.
  if (auto readable = LogEntry::parse(encoded); !readable)
    return std::move(readable).error().in("log: what is to be recorded has no form");
  const Digest chain = protocol::chain_next(chain_, protocol::sha256(encoded));
  Bytes head = LogHead::sign(entry.seq, entry.time_ms, chain, keyring_.identity()).encode();
  const auto written = transaction.query("INSERT INTO log(seq, entry) VALUES(?, ?)")
                           .bind(static_cast<std::int64_t>(entry.seq))
                           .bind(encoded)
                           .run(Rows::one);
  if (!written) return written;
  if (auto noted = note_hashes(transaction, {{entry.seq, protocol::sha256(encoded)}}); !noted) return noted;
  const auto signed_head =
      transaction.query("INSERT OR REPLACE INTO log_head(only, head) VALUES(1, ?)").bind(head).run(Rows::one);
  if (!signed_head) return signed_head;
  if (auto followed = due_.follow(transaction, chain); !followed) return followed;
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

Result<bool> Log::accounts_for(Transaction& transaction, const LogHead& head,
                               const protocol::PublicKeyBytes& peer) const {
  if (head.seq > seq_) return false;
  if (lost_.contains(head.chain)) return true;
  if (head.seq < begin_.seq) return state_.heard.contains(peer);
  if (head.seq == seq_) return head.chain == chain_;
  for (const auto& [first, last] : missing_)
    if (head.seq >= first && head.seq <= last) return true;
  const auto chain = chain_before(transaction, head.seq + 1);
  if (!chain) return chain.error();
  return *chain == head.chain;
}

// Computed from the last milestone before it, entry by entry.
Result<Digest> Log::chain_before(Transaction& transaction, std::uint64_t seq) const {
  if (seq > seq_) return chain_;
  const auto after = std::lower_bound(milestones_.begin(), milestones_.end(), seq,
                                      [](const Place& place, std::uint64_t to) { return place.seq < to; });
  Place place = after == milestones_.begin() ? *after : *std::prev(after);
  Query query = transaction.query("SELECT seq, entry FROM log WHERE seq>? AND seq<? ORDER BY seq");
  query.bind(static_cast<std::int64_t>(place.seq)).bind(static_cast<std::int64_t>(seq));
  const auto read = query.each([&]() -> Status {
    const auto number = static_cast<std::uint64_t>(query.integer(0));
    place.chain = protocol::chain_next(place.chain, hash_of(number, query.blob(1)));
    return Done{};
  });
  if (!read) return read.error();
  return place.chain;
}

Result<LogReply> Log::read(Transaction& transaction, std::string_view tenant, std::uint64_t from,
                           std::uint16_t limit) const {
  const bool cut_off = from <= begin_.seq;
  from = std::max(from, begin_.seq + 1);
  const auto before = chain_before(transaction, from);
  if (!before) return before.error();
  LogReply reply{.head = head_, .cut = cut_off ? cut_ : Bytes{}, .before = *before, .lines = {}};
  if (from > seq_) return reply;
  Query query = transaction.query("SELECT seq, entry FROM log WHERE seq>=? ORDER BY seq LIMIT ?");
  query.bind(static_cast<std::int64_t>(from)).bind(static_cast<std::int64_t>(limit));
  std::size_t size = 0;
  std::size_t known = 0;  // lines up to the last one whose number the reader knows
  while (size < kMaxReply) {
    const auto row = query.step();
    if (!row) return row.error();
    if (!*row) break;
    if (const auto rotten = damaged_.find(static_cast<std::uint64_t>(query.integer(0)));
        rotten != damaged_.end()) {
      reply.lines.push_back({.entry = {}, .hash = rotten->second});
      continue;
    }
    Bytes encoded = query.blob(1);
    const auto entry = LogEntry::parse(encoded);
    if (!entry) return altered("an entry is not one");
    const Digest hash = protocol::sha256(encoded);
    if (entry->tenant != tenant && entry->kind != EntryKind::store) encoded.clear();
    size += encoded.size() + hash.size();
    reply.lines.push_back({std::move(encoded), hash});
    known = reply.lines.size();
  }
  // The reader continues after the last line's number: a damaged entry may leave numbers out.
  if (known > 0) reply.lines.resize(known);
  return reply;
}

}  // namespace coprotect::agent::custodian
