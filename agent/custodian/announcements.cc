#include "agent/custodian/announcements.h"

#include <algorithm>
#include <limits>

#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {
namespace {

// Longer than any agent runs: code that does not know this value waits for ever.
constexpr std::int64_t kNotBegun = std::numeric_limits<std::int64_t>::max();

template <std::size_t N>
std::optional<ByteArray<N>> array_of(const Bytes& bytes) {
  ByteArray<N> array;
  if (bytes.size() != array.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), array.begin());
  return array;
}

// As in the store's RowList.
Bytes name_of(const Announcements::Place& place) {
  Bytes name(place.first.begin(), place.first.end());
  name.insert(name.end(), place.second.begin(), place.second.end());
  return name;
}

}  // namespace

using protocol::HandoverNotice;
using protocol::KeyId;

Digest Announcements::mac(const Place& place, ByteView notice, std::int64_t running_ms) const {
  Writer w;
  w.literal("CPV1-ROW-ANNOUNCEMENT").bytes(place.first).bytes(place.second).lp4(notice);
  w.u64(static_cast<std::uint64_t>(running_ms));
  return keyring_.mac(w.view());
}

Status Announcements::load(Transaction& transaction) {
  Query query =
      transaction.query("SELECT key_id, announcer, announcement, running_ms, mac FROM announcements");
  return query.each([&]() -> Status {
    const std::string name = "store: an announcement for key " + to_hex(query.blob(0));
    const auto key_id = array_of<32>(query.blob(0));
    const auto announcer = array_of<32>(query.blob(1));
    if (!key_id || !announcer) return Error(Code::altered, name + " is of no key");
    const Place place{*key_id, *announcer};
    const Bytes encoded = query.blob(2);
    const std::int64_t running_ms = query.integer(3);
    if (!equal_in_constant_time(mac(place, encoded, running_ms), query.blob(4)))
      return Error(Code::altered, name + " was altered: its MAC does not hold");
    auto notice = HandoverNotice::parse(encoded);
    if (!notice) return std::move(notice).error().in(name);
    transaction.rows().put(Table::announcements, name_of(place), query.blob(4));
    const std::lock_guard lock(mutex_);
    waiting_.insert_or_assign(place, Waiting{*std::move(notice), running_ms});
    return Done{};
  });
}

Status Announcements::put(Transaction& transaction, const KeyId& key_id, HandoverNotice notice, Wait wait) {
  const Place place{key_id, notice.announcer};
  const Waiting waiting{
      .notice = notice,
      .running_ms = wait == Wait::begun ? running_.total_ms() + notice.running_left_ms : kNotBegun};
  const Bytes encoded = notice.encode();
  const Digest row_mac = mac(place, encoded, waiting.running_ms);
  const auto written = transaction
                           .query(
                               "INSERT OR REPLACE INTO announcements(key_id, announcer, announcement, "
                               "running_ms, mac) VALUES(?, ?, ?, ?, ?)")
                           .bind(place.first)
                           .bind(place.second)
                           .bind(encoded)
                           .bind(waiting.running_ms)
                           .bind(row_mac)
                           .run(Rows::one);
  if (!written) return written;
  transaction.rows().put(Table::announcements, name_of(place), Bytes(row_mac.begin(), row_mac.end()));
  transaction.after_commit([this, place, waiting] {
    const std::lock_guard lock(mutex_);
    waiting_.insert_or_assign(place, waiting);
  });
  return Done{};
}

Status Announcements::remove(Transaction& transaction, const KeyId& key_id) {
  const auto removed =
      transaction.query("DELETE FROM announcements WHERE key_id=?").bind(key_id).run(Rows::any);
  if (!removed) return removed;
  const std::lock_guard listing(mutex_);
  for (const auto& [place, waiting] : waiting_)
    if (place.first == key_id) transaction.rows().remove(Table::announcements, name_of(place));
  transaction.after_commit([this, key_id] {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiting_, [&](const auto& entry) { return entry.first.first == key_id; });
  });
  return Done{};
}

Result<std::vector<Announcements::Place>> Announcements::remove_unvetoed(Transaction& transaction) {
  std::vector<Place> places;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [place, waiting] : waiting_)
      if (!waiting.notice.vetoed) places.push_back(place);
  }
  for (const Place& place : places) {
    auto removed = transaction.query("DELETE FROM announcements WHERE key_id=? AND announcer=?")
                       .bind(place.first)
                       .bind(place.second)
                       .run(Rows::any);
    if (!removed) return std::move(removed).error();
    transaction.rows().remove(Table::announcements, name_of(place));
  }
  transaction.after_commit([this, places] {
    const std::lock_guard lock(mutex_);
    for (const Place& place : places) waiting_.erase(place);
  });
  return places;
}

Announcements::Wait Announcements::wait_of(const Place& place) const {
  const std::lock_guard lock(mutex_);
  const auto found = waiting_.find(place);
  return found != waiting_.end() && found->second.running_ms != kNotBegun ? Wait::begun : Wait::not_begun;
}

std::vector<Announcements::Place> Announcements::not_begun() const {
  const std::lock_guard lock(mutex_);
  std::vector<Place> places;
  for (const auto& [place, waiting] : waiting_)
    if (waiting.running_ms == kNotBegun) places.push_back(place);
  return places;
}

HandoverNotice Announcements::with_time_left(const Waiting& waiting) const {
  HandoverNotice notice = waiting.notice;
  if (waiting.running_ms == kNotBegun) return notice;
  notice.running_left_ms = std::max<std::int64_t>(0, waiting.running_ms - running_.total_ms());
  return notice;
}

std::vector<HandoverNotice> Announcements::of(const KeyId& key_id) const {
  const std::lock_guard lock(mutex_);
  std::vector<HandoverNotice> notices;
  for (const auto& [place, waiting] : waiting_)
    if (place.first == key_id) notices.push_back(with_time_left(waiting));
  return notices;
}

std::optional<HandoverNotice> Announcements::of(const KeyId& key_id, const Digest& announcer) const {
  const std::lock_guard lock(mutex_);
  const auto found = waiting_.find({key_id, announcer});
  if (found == waiting_.end()) return std::nullopt;
  return with_time_left(found->second);
}

}  // namespace coprotect::agent::custodian
