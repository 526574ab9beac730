#include "agent/custodian/running_time.h"

#include "protocol/base/writer.h"

namespace coprotect::agent::custodian {

Digest RunningTime::mac(std::int64_t total_ms) const {
  Writer w;
  w.literal("CPV1-ROW-RUNNING").u64(static_cast<std::uint64_t>(total_ms));
  return keyring_.mac(w.view());
}

Status RunningTime::load(Transaction& transaction) {
  Query query = transaction.query("SELECT ms, mac FROM running");
  return query.each([&]() -> Status {
    const std::int64_t total = query.integer(0);
    if (total < 0 || !equal_in_constant_time(mac(total), query.blob(1)))
      return Error(Code::altered, "store: the counted running time was altered: its MAC does not hold");
    const std::lock_guard lock(mutex_);
    before_ms_ = total;
    return Done{};
  });
}

Status RunningTime::save(Transaction& transaction) {
  const std::int64_t total = total_ms();
  const Digest row_mac = mac(total);
  return transaction.query("INSERT OR REPLACE INTO running(only, ms, mac) VALUES(1, ?, ?)")
      .bind(total)
      .bind(row_mac)
      .run(Rows::one);
}

std::int64_t RunningTime::total_ms() const {
  const std::lock_guard lock(mutex_);
  return before_ms_ + (steady_ms_() - since_ms_);
}

}  // namespace coprotect::agent::custodian
