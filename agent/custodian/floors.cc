#include "agent/custodian/floors.h"

#include <algorithm>
#include <mutex>

#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::ListKind;
using protocol::PeerState;

Bytes bytes_from(ByteView view) {
  return {view.begin(), view.end()};
}

}  // namespace

Floors::Name Floors::name_of(const PeerState::List& list) {
  return {list.first == ListKind::keys ? Kind::key_list : Kind::client_list,
          bytes_from(bytes_of(list.second))};
}

Bytes Floors::row_name(const Name& name) {
  Bytes row{static_cast<std::uint8_t>(name.first)};
  row.insert(row.end(), name.second.begin(), name.second.end());
  return row;
}

Digest Floors::mac(const Name& name, std::uint64_t least) const {
  Writer w;
  w.literal("CPV1-ROW-FLOOR").u8(static_cast<std::uint8_t>(name.first)).lp4(name.second).u64(least);
  return keyring_.mac(w.view());
}

Status Floors::load(Transaction& transaction) {
  Query query = transaction.query("SELECT kind, name, least, mac FROM floors");
  return query.each([&]() -> Status {
    const Name name(static_cast<Kind>(query.integer(0)), query.blob(1));
    const auto least = static_cast<std::uint64_t>(query.integer(2));
    if (!equal_in_constant_time(mac(name, least), query.blob(3)))
      return Error(Code::altered, "store: a floor was altered: its MAC does not hold");
    transaction.rows().put(Table::floors, row_name(name), query.blob(3));
    floors_.emplace(name, least);
    return Done{};
  });
}

std::uint64_t Floors::least(const Name& name) const {
  const std::shared_lock lock(mutex_);
  const auto found = floors_.find(name);
  return found == floors_.end() ? 0 : found->second;
}

PeerState Floors::above(const PeerState& state, const Keys& keys, const TenantLists& lists) const {
  PeerState found;
  for (const auto& [key_id, epoch] : state.epochs) {
    const KeyPtr key = keys.active(key_id);
    const bool older = key != nullptr && key->epoch() < epoch;
    if (older && least({Kind::key, bytes_from(key_id)}) < epoch) found.epochs.emplace(key_id, epoch);
  }
  for (const auto& [key_id, heard] : state.said) {
    const KeyPtr key = keys.active(key_id);
    if (key == nullptr) continue;
    const PeerState::Said known = said(key_id);
    if (std::max(keys.acknowledged(key_id), known.acknowledged) < heard.acknowledged ||
        std::max(key->decided, known.decided) < heard.decided)
      found.said.emplace(key_id, heard);
  }
  for (const auto& [list, serial] : state.serials) {
    if (lists.serial(list) < serial && least(name_of(list)) < serial) found.serials.emplace(list, serial);
  }
  return found;
}

Status Floors::put(Transaction& transaction, const Name& name, std::uint64_t least) {
  const Digest row_mac = mac(name, least);
  const auto written =
      transaction.query("INSERT OR REPLACE INTO floors(kind, name, least, mac) VALUES(?, ?, ?, ?)")
          .bind(static_cast<std::int64_t>(name.first))
          .bind(name.second)
          .bind(static_cast<std::int64_t>(least))
          .bind(row_mac)
          .run(Rows::one);
  if (!written) return written;
  transaction.rows().put(Table::floors, row_name(name), Bytes(row_mac.begin(), row_mac.end()));
  transaction.after_commit([this, name, least] {
    const std::unique_lock lock(mutex_);
    floors_.insert_or_assign(name, least);
  });
  return Done{};
}

Status Floors::raise(Transaction& transaction, const PeerState& found) {
  for (const auto& [key_id, epoch] : found.epochs)
    if (auto put_down = put(transaction, {Kind::key, bytes_from(key_id)}, epoch); !put_down) return put_down;
  for (const auto& [key_id, heard] : found.said) {
    const PeerState::Said known = said(key_id);
    const Bytes id = bytes_from(key_id);
    auto put_down =
        put(transaction, {Kind::acknowledged, id}, std::max(known.acknowledged, heard.acknowledged));
    if (put_down) put_down = put(transaction, {Kind::decided, id}, std::max(known.decided, heard.decided));
    if (!put_down) return put_down;
  }
  for (const auto& [list, serial] : found.serials) {
    auto put_down = put(transaction, name_of(list), serial);
    if (!put_down) return put_down;
  }
  return Done{};
}

std::uint32_t Floors::epoch(const protocol::KeyId& key_id) const {
  return static_cast<std::uint32_t>(least({Kind::key, bytes_from(key_id)}));
}

PeerState::Said Floors::said(const protocol::KeyId& key_id) const {
  const Bytes id = bytes_from(key_id);
  return {.acknowledged = static_cast<std::uint32_t>(least({Kind::acknowledged, id})),
          .decided = static_cast<std::uint32_t>(least({Kind::decided, id}))};
}

Status Floors::check(const Key& key) const {
  const std::uint64_t epoch = least({Kind::key, bytes_from(key.key_id())});
  if (key.epoch() >= epoch) return Done{};
  return Error(Code::unavailable, "this agent's share of key " + to_hex(key.key_id()) + " is of epoch " +
                                      std::to_string(key.epoch()) + ", it had one of epoch " +
                                      std::to_string(epoch) +
                                      ": its store was put back; run coprotect-provision restore");
}

Status Floors::check(const std::string& tenant, const TenantLists& lists) const {
  for (const ListKind kind : protocol::kListKinds) {
    const PeerState::List list(kind, tenant);
    const std::uint64_t had = least(name_of(list));
    const std::uint64_t present = lists.serial(list);
    if (present < had)
      return Error(Code::unavailable, "the " + std::string(list_name(kind)) + " of tenant \"" + tenant +
                                          "\" has serial " + std::to_string(present) + ", this agent had " +
                                          std::to_string(had) +
                                          ": its store was put back; publish the newest list again");
  }
  return Done{};
}

}  // namespace coprotect::agent::custodian
