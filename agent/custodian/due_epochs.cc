#include "agent/custodian/due_epochs.h"

#include <algorithm>

#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {

Digest DueEpochs::mac(const List& list) const {
  Writer w;
  w.literal("CPV1-ROW-ERASURES").bytes(list.chain).u32(static_cast<std::uint32_t>(list.epochs.size()));
  for (const hsm::EpochId& epoch : list.epochs) w.bytes(epoch.key_id).u32(epoch.epoch);
  return keyring_.mac(w.view());
}

Digest DueEpochs::mac(const Digest& chain, const RowList& rows) const {
  const Bytes summary = rows.summary();
  Writer w;
  w.literal("CPV1-ROW-LIST").bytes(chain).lp4(summary);
  return keyring_.mac(w.view());
}

Status DueEpochs::load(Transaction& transaction, const std::optional<Digest>& chain) {
  const Error altered(Code::altered,
                      "store: the list of epochs that are to be erased was altered: its MAC does not hold");
  List list{.epochs = {}, .chain = chain.value_or(Digest{})};
  Query rows = transaction.query("SELECT key_id, epoch FROM erasures");
  const auto read = rows.each([&]() -> Status {
    const Bytes key_id = rows.blob(0);
    hsm::EpochId epoch{.key_id = {}, .epoch = static_cast<std::uint32_t>(rows.integer(1))};
    if (key_id.size() != epoch.key_id.size()) return altered;
    std::ranges::copy(key_id, epoch.key_id.begin());
    list.epochs.insert(epoch);
    return Done{};
  });
  if (!read) return read;
  Query query = transaction.query("SELECT mac FROM erasures_mac");
  const auto row = query.step();
  if (!row) return row.error();
  // A new store has no MACs yet.
  const Bytes macs = *row ? query.blob(0) : Bytes{};
  constexpr std::size_t kSize = sizeof(Digest);
  const bool holds =
      *row ? macs.size() == 2 * kSize && equal_in_constant_time(mac(list), ByteView(macs).first(kSize))
           : !chain && list.epochs.empty();
  if (!holds && *row && !chain)
    return Error(Code::altered, "the log was altered: it is gone, and a MAC over its end is not");
  if (!holds) return altered;
  if (*row) rows_mac_.assign(macs.begin() + kSize, macs.end());
  present_ = std::move(list);
  return Done{};
}

DueEpochs::List& DueEpochs::change(Transaction& transaction) {
  if (changing_ == transaction.number()) return changed_;
  changing_ = transaction.number();
  transaction.renew_seal();
  changed_ = present_;
  transaction.after_commit([this] { present_ = changed_; });
  return changed_;
}

const DueEpochs::List& DueEpochs::present(const Transaction& transaction) const {
  return changing_ == transaction.number() ? changed_ : present_;
}

std::set<hsm::EpochId> DueEpochs::all(const Transaction& transaction) const {
  return present(transaction).epochs;
}

Status DueEpochs::check_rows(Transaction& transaction) const {
  const Digest now = mac(present_.chain, transaction.rows());
  if (is_new() ? transaction.rows().summary().empty() : equal_in_constant_time(now, rows_mac_)) return Done{};
  return Error(Code::altered,
               "store: its rows are not those that this agent wrote: one was removed, added or put back");
}

Status DueEpochs::add(Transaction& transaction, const hsm::EpochId& epoch) {
  if (!change(transaction).epochs.insert(epoch).second) return Done{};
  auto written = transaction.query("INSERT OR REPLACE INTO erasures(key_id, epoch) VALUES(?, ?)")
                     .bind(epoch.key_id)
                     .bind(std::int64_t{epoch.epoch})
                     .run(Rows::one);
  return written;
}

Status DueEpochs::remove(Transaction& transaction, const hsm::EpochId& epoch) {
  if (change(transaction).epochs.erase(epoch) == 0) return Done{};
  auto removed = transaction.query("DELETE FROM erasures WHERE key_id=? AND epoch=?")
                     .bind(epoch.key_id)
                     .bind(std::int64_t{epoch.epoch})
                     .run(Rows::any);
  return removed;
}

Status DueEpochs::follow(Transaction& transaction, const Digest& chain) {
  change(transaction).chain = chain;
  return Done{};
}

Status DueEpochs::seal(Transaction& transaction) {
  const List& list = present(transaction);
  const Digest erasures = mac(list);
  const Digest rows = mac(list.chain, transaction.rows());
  Writer macs;
  macs.bytes(erasures).bytes(rows);
  return transaction.query("INSERT OR REPLACE INTO erasures_mac(only, mac) VALUES(1, ?)")
      .bind(macs.view())
      .run(Rows::one);
}

}  // namespace coprotect::agent::custodian
