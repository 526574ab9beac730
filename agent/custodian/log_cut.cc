#include <algorithm>

#include "agent/custodian/log.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

// The start of a log whose beginning was archived.
namespace coprotect::agent::custodian {
namespace {

using protocol::LogCut;
using protocol::LogEntry;

Error altered_cut(const std::string& how) {
  return {Code::altered, "the log was altered: " + how};
}

Digest mac_of(const hsm::Keyring& keyring, ByteView cut, ByteView state) {
  Writer w;
  w.literal("CPV1-ROW-LOG-CUT").lp4(cut).lp4(state);
  return keyring.mac(w.view());
}

Bytes bytes_of_mac(const Digest& mac) {
  return {mac.begin(), mac.end()};
}

}  // namespace

void Log::begin_after(const Place& place, Bytes cut, LogState state) {
  begin_ = place;
  cut_ = std::move(cut);
  state_ = std::move(state);
  std::erase_if(milestones_, [&](const Place& one) { return one.seq <= place.seq; });
  milestones_.insert(milestones_.begin(), place);
  std::erase_if(missing_, [&](const auto& range) { return range.second <= place.seq; });
}

Status Log::load_cut(Transaction& transaction, const std::function<void(const LogState&)>& begin) {
  Query query = transaction.query("SELECT cut, state, mac FROM log_cut");
  const auto row = query.step();
  if (!row) return row.error();
  if (!*row) return Done{};
  Bytes encoded = query.blob(0);
  const Bytes kept = query.blob(1);
  const Digest mac = mac_of(keyring_, encoded, kept);
  if (!equal_in_constant_time(mac, query.blob(2))) return altered_cut("the MAC of its cut does not hold");
  const auto cut = LogCut::parse(encoded);
  if (!cut || cut->identity_key != keyring_.identity().public_key().bytes())
    return altered_cut("its cut is not signed by this agent");
  auto state = LogState::parse(kept);
  if (!state) return altered_cut("what is kept of the entries before its cut: " + state.error().message());
  transaction.rows().put(Table::log_cut, {}, bytes_of_mac(mac));
  seq_ = cut->seq;
  chain_ = cut->chain;
  begin(*state);
  begin_after({cut->seq, cut->chain}, std::move(encoded), *std::move(state));
  return Done{};
}

Result<Bytes> Log::cut(Transaction& transaction, const LogCut& unsigned_cut,
                       const std::set<protocol::PublicKeyBytes>& heard) {
  if (auto same = check_end(transaction); !same) return std::move(same).error();
  if (unsigned_cut.after != begin_.seq || unsigned_cut.seq >= seq_)
    return Error(Code::conflict, "the archive has entries " + std::to_string(unsigned_cut.after + 1) + ".." +
                                     std::to_string(unsigned_cut.seq) + ", the log has " +
                                     std::to_string(begin_.seq + 1) + ".." + std::to_string(seq_));
  if (!damaged_.empty() && damaged_.begin()->first <= unsigned_cut.seq) return altered_cut(damage());
  LogState state = state_;
  state.heard = heard;
  Place place = begin_;
  std::uint64_t count = 0;
  {
    Query query = transaction.query("SELECT entry FROM log WHERE seq<=? ORDER BY seq");
    query.bind(static_cast<std::int64_t>(unsigned_cut.seq));
    const auto read = query.each([&]() -> Status {
      const Bytes encoded = query.blob(0);
      const auto entry = LogEntry::parse(encoded);
      if (!entry) return altered_cut("an entry is not one");
      place = {entry->seq, protocol::chain_next(place.chain, protocol::sha256(encoded))};
      ++count;
      state.visit(*entry);
      return Done{};
    });
    if (!read) return read.error();
  }
  if (place.seq != unsigned_cut.seq || place.chain != unsigned_cut.chain || count != unsigned_cut.count)
    return altered_cut("the archive up to entry " + std::to_string(unsigned_cut.seq) +
                       " has not the entries that it has");
  Bytes encoded = LogCut::sign(unsigned_cut, keyring_.identity()).encode();
  const Bytes kept = state.encode();
  const Digest mac = mac_of(keyring_, encoded, kept);
  const auto removed = transaction.query("DELETE FROM log WHERE seq<=?")
                           .bind(static_cast<std::int64_t>(unsigned_cut.seq))
                           .run(Rows::any);
  if (!removed) return removed.error();
  const auto forgotten = transaction.query("DELETE FROM log_hashes WHERE seq<=?")
                             .bind(static_cast<std::int64_t>(unsigned_cut.seq))
                             .run(Rows::any);
  if (!forgotten) return forgotten.error();
  const auto written =
      transaction.query("INSERT OR REPLACE INTO log_cut(only, cut, state, mac) VALUES(1, ?, ?, ?)")
          .bind(encoded)
          .bind(kept)
          .bind(mac)
          .run(Rows::one);
  if (!written) return written.error();
  transaction.rows().put(Table::log_cut, {}, bytes_of_mac(mac));
  transaction.after_commit([this, place, encoded, state = std::move(state)]() mutable {
    begin_after(place, encoded, std::move(state));
  });
  return encoded;
}

}  // namespace coprotect::agent::custodian
