#include "agent/custodian/row_list.h"

#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"

namespace coprotect::agent::custodian {

void RowList::set(Table table, const Bytes& name, std::optional<Bytes> content) {
  Rows& all = tables_[table];
  all.hash.reset();
  if (content)
    all.rows.insert_or_assign(name, *std::move(content));
  else
    all.rows.erase(name);
}

void RowList::put(Table table, Bytes name, Bytes content) {
  const Bytes* const before = find(table, name);
  undo_.push_back({table, name, before == nullptr ? std::nullopt : std::optional(*before)});
  set(table, name, std::move(content));
}

void RowList::remove(Table table, const Bytes& name) {
  const Bytes* const before = find(table, name);
  if (before == nullptr) return;
  undo_.push_back({table, name, *before});
  set(table, name, std::nullopt);
}

const Bytes* RowList::find(Table table, const Bytes& name) const {
  const auto all = tables_.find(table);
  if (all == tables_.end()) return nullptr;
  const auto row = all->second.rows.find(name);
  return row == all->second.rows.end() ? nullptr : &row->second;
}

Bytes RowList::summary() const {
  Writer summary;
  for (const auto& [table, all] : tables_) {
    if (all.rows.empty()) continue;
    if (!all.hash) {
      Writer w;
      for (const auto& [name, content] : all.rows) w.lp4(name).lp4(content);
      all.hash = protocol::sha256(w.view());
    }
    summary.u8(static_cast<std::uint8_t>(table)).u32(static_cast<std::uint32_t>(all.rows.size()));
    summary.bytes(*all.hash);
  }
  return std::move(summary).take();
}

void RowList::roll_back() {
  for (auto change = undo_.rbegin(); change != undo_.rend(); ++change)
    set(change->table, change->name, std::move(change->before));
  undo_.clear();
}

}  // namespace coprotect::agent::custodian
