#include <algorithm>

#include "agent/custodian/log.h"
#include "protocol/crypto/hash.h"

// Entries damaged on the disk: finds them, and what replaces them.
namespace coprotect::agent::custodian {
namespace {

using protocol::LogEntry;
using protocol::LogHead;

constexpr std::size_t kMostDamaged = 100;

}  // namespace

Status Log::find_damage(Transaction& transaction, const LogRepairs& repairs) {
  Query query = transaction.query("SELECT head FROM log_head");
  const auto row = query.step();
  if (!row) return row.error();
  const auto head = *row ? LogHead::parse(query.blob(0)) : Result<LogHead>(Error(Code::not_found, ""));
  if (!head) return Done{};        // load() reports it
  Digest computed = begin_.chain;  // over the entries as they are
  Digest noted = begin_.chain;     // over the stored hashes
  std::map<std::uint64_t, Digest> differ;
  std::vector<std::pair<std::uint64_t, Digest>> unnoted;
  {
    Query all = transaction.query(
        "SELECT log.seq, log.entry, log_hashes.hash FROM log LEFT JOIN log_hashes ON log_hashes.seq=log.seq "
        "ORDER BY log.seq");
    const auto read = all.each([&]() -> Status {
      const auto seq = static_cast<std::uint64_t>(all.integer(0));
      const Digest hash = protocol::sha256(all.blob(1));
      const Bytes note = all.blob(2);
      Digest as_noted = hash;
      if (note.size() == as_noted.size()) std::ranges::copy(note, as_noted.begin());
      computed = protocol::chain_next(computed, hash);
      noted = protocol::chain_next(noted, as_noted);
      if (as_noted != hash) differ.emplace(seq, as_noted);
      if (as_noted != hash || note.size() != hash.size()) unnoted.emplace_back(seq, hash);
      return Done{};
    });
    if (!read) return read;
  }
  if (computed == head->chain) return note_hashes(transaction, unnoted);
  // Another head or other hashes: load() reports what does not verify.
  if (noted != head->chain) return Done{};
  damaged_ = std::move(differ);
  if (auto repaired = repair(transaction, repairs); !repaired) return repaired;
  if (damaged_.size() <= kMostDamaged) return Done{};
  return Error(Code::altered,
               "the log was altered: " + std::to_string(damaged_.size()) + " entries are " + damage());
}

// For entries that an earlier version wrote, or hashes that are damaged themselves.
Status Log::note_hashes(Transaction& transaction,
                        const std::vector<std::pair<std::uint64_t, Digest>>& hashes) {
  for (const auto& [seq, hash] : hashes) {
    const auto written = transaction.query("INSERT OR REPLACE INTO log_hashes(seq, hash) VALUES(?, ?)")
                             .bind(static_cast<std::int64_t>(seq))
                             .bind(hash)
                             .run(Rows::one);
    if (!written) return written;
  }
  return Done{};
}

Status Log::repair(Transaction& transaction, const LogRepairs& repairs) {
  for (auto entry = damaged_.begin(); entry != damaged_.end();) {
    const auto content = repairs(entry->first);
    if (!content || protocol::sha256(*content) != entry->second) {
      ++entry;
      continue;
    }
    const auto written = transaction.query("UPDATE log SET entry=? WHERE seq=?")
                             .bind(*content)
                             .bind(static_cast<std::int64_t>(entry->first))
                             .run(Rows::one);
    if (!written) return written;
    entry = damaged_.erase(entry);
  }
  return Done{};
}

Digest Log::hash_of(std::uint64_t seq, ByteView entry) const {
  const auto damaged = damaged_.find(seq);
  return damaged == damaged_.end() ? protocol::sha256(entry) : damaged->second;
}

std::string Log::damage() const {
  if (damaged_.empty()) return "";
  std::string numbers;
  std::size_t named = 0;
  for (const auto& [seq, hash] : damaged_) {
    if (++named > 5) break;
    numbers += (numbers.empty() ? "" : ", ") + std::to_string(seq);
  }
  if (damaged_.size() > 5) numbers += " and others";
  return "damaged on the disk: entry " + numbers +
         "; repair it from a backup with coprotect-provision repair-log";
}

}  // namespace coprotect::agent::custodian
