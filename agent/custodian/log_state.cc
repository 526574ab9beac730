#include "agent/custodian/log_state.h"

#include <algorithm>

#include "agent/custodian/drills.h"
#include "agent/custodian/held_erasures.h"
#include "agent/custodian/other_life.h"
#include "protocol/base/reader.h"
#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::EntryKind;
using protocol::LogEntry;

constexpr std::string_view kState = "CPLS\x01";

Error not_a_state() {
  return {Code::malformed, "not what is kept of a log of version 1"};
}

bool is_cut(const LogEntry& entry) {
  return entry.operation == static_cast<std::uint8_t>(protocol::Recorded::cut_log);
}

}  // namespace

void LogState::keep(Slot slot, const std::string& name, const LogEntry& entry) {
  newest_.insert_or_assign({slot, name}, entry);
}

void LogState::keep_hold(const std::string& key, const LogEntry& entry) {
  const auto last = newest_.find({Slot::hold, key});
  if (last == newest_.end() || HeldErasures::number_of(entry) > HeldErasures::number_of(last->second))
    keep(Slot::hold, key, entry);
}

void LogState::visit(const LogEntry& entry) {
  caps_.count(entry);
  const std::string key = to_hex(entry.key_id);
  if (entry.kind == EntryKind::client_list) keep(Slot::client_list, entry.tenant, entry);
  if (entry.kind == EntryKind::key_list && !is_hold(entry)) keep(Slot::key_list, entry.tenant, entry);
  if (HeldErasures::decides(entry)) keep_hold(key, entry);
  // The last event of the store and, separately, that no second agent was heard of since.
  if (entry.kind == EntryKind::store && !is_cut(entry))
    keep(Slot::store, entry.detail.starts_with(OtherLife::kGone) ? "gone" : "", entry);
  if (Drills::passed(entry)) keep(Slot::drill, key, entry);
  if (Drills::opened_code(entry)) keep(Slot::code, key, entry);
  if (!Drills::changes_code(entry)) return;
  if (auto last = newest_.extract({Slot::code, key})) codes_.push_back(std::move(last.mapped()));
  codes_.push_back(entry);
}

void LogState::replay(const std::function<void(const LogEntry&)>& visit) const {
  std::map<std::uint64_t, const LogEntry*> all;  // one may be kept for two reasons
  for (const auto& [slot, entry] : newest_) all.emplace(entry.seq, &entry);
  for (const auto& entry : codes_) all.emplace(entry.seq, &entry);
  for (const auto& [seq, entry] : all) visit(*entry);
}

Bytes LogState::encode() const {
  Writer w;
  w.literal(kState);
  caps_.write(w);
  w.u32(static_cast<std::uint32_t>(newest_.size()));
  for (const auto& [slot, entry] : newest_)
    w.u8(static_cast<std::uint8_t>(slot.first)).lp(slot.second).lp4(entry.encode());
  w.u32(static_cast<std::uint32_t>(codes_.size()));
  for (const LogEntry& entry : codes_) w.lp4(entry.encode());
  w.u32(static_cast<std::uint32_t>(heard.size()));
  for (const auto& identity : heard) w.bytes(identity);
  return std::move(w).take();
}

Result<LogState> LogState::parse(ByteView encoded) {
  const auto entry_of = [](Reader& r) -> std::optional<LogEntry> {
    const auto bytes = r.lp4();
    auto entry = bytes ? LogEntry::parse(*bytes) : Result<LogEntry>(not_a_state());
    return entry ? std::optional(*std::move(entry)) : std::nullopt;
  };
  Reader r(encoded);
  LogState state;
  if (!r.literal(kState) || !state.caps_.read(r)) return not_a_state();
  const auto slots = r.u32();
  for (std::uint32_t i = 0; slots && i < *slots; ++i) {
    const auto slot = r.u8();
    auto name = r.text();
    auto entry = entry_of(r);
    if (!slot || *slot > static_cast<std::uint8_t>(Slot::code) || !name || !entry) return not_a_state();
    state.newest_.emplace(std::pair(static_cast<Slot>(*slot), *std::move(name)), *std::move(entry));
  }
  const auto codes = slots ? r.u32() : std::nullopt;
  for (std::uint32_t i = 0; codes && i < *codes; ++i) {
    auto entry = entry_of(r);
    if (!entry) return not_a_state();
    state.codes_.push_back(*std::move(entry));
  }
  const auto heard = codes ? r.u32() : std::nullopt;
  for (std::uint32_t i = 0; heard && i < *heard; ++i) {
    const auto identity = r.array<33>();
    if (!identity) return not_a_state();
    state.heard.insert(*identity);
  }
  if (!heard || !r.empty()) return not_a_state();
  return state;
}

}  // namespace coprotect::agent::custodian
