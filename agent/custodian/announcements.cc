#include "agent/custodian/announcements.h"

#include <algorithm>

#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {

using protocol::HandoverNotice;
using protocol::KeyId;

Digest Announcements::mac(const KeyId& key_id, ByteView notice) const {
  Writer w;
  w.literal("CPV1-ROW-ANNOUNCEMENT").bytes(key_id).lp4(notice);
  return keyring_.mac(w.view());
}

Status Announcements::load(Transaction& transaction) {
  Query query = transaction.query("SELECT key_id, announcement, mac FROM announcements");
  return query.each([&]() -> Status {
    const Bytes bytes = query.blob(0);
    const std::string name = "store: the announcement for key " + to_hex(bytes);
    KeyId key_id{};
    if (bytes.size() != key_id.size()) return Error(Code::altered, name + " is of no key");
    std::copy(bytes.begin(), bytes.end(), key_id.begin());
    const Bytes encoded = query.blob(1);
    if (!equal_in_constant_time(mac(key_id, encoded), query.blob(2)))
      return Error(Code::altered, name + " was altered: its MAC does not hold");
    auto notice = HandoverNotice::parse(encoded);
    if (!notice) return std::move(notice).error().in(name);
    notices_.insert_or_assign(key_id, *std::move(notice));
    return Done{};
  });
}

Status Announcements::put(Transaction& transaction, const KeyId& key_id, HandoverNotice notice) {
  const Bytes encoded = notice.encode();
  const Digest row_mac = mac(key_id, encoded);
  const auto written =
      transaction.query("INSERT OR REPLACE INTO announcements(key_id, announcement, mac) VALUES(?, ?, ?)")
          .bind(key_id)
          .bind(encoded)
          .bind(row_mac)
          .run();
  if (!written) return written;
  transaction.after_commit([this, key_id, notice = std::move(notice)] {
    const std::lock_guard lock(mutex_);
    notices_.insert_or_assign(key_id, notice);
  });
  return Done{};
}

Status Announcements::remove(Transaction& transaction, const KeyId& key_id) {
  const auto removed = transaction.query("DELETE FROM announcements WHERE key_id=?").bind(key_id).run();
  if (!removed) return removed;
  transaction.after_commit([this, key_id] {
    const std::lock_guard lock(mutex_);
    notices_.erase(key_id);
  });
  return Done{};
}

std::optional<HandoverNotice> Announcements::of(const KeyId& key_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = notices_.find(key_id);
  if (found == notices_.end()) return std::nullopt;
  return found->second;
}

}  // namespace coprotect::agent::custodian
