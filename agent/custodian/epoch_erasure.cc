#include "agent/custodian/epoch_erasure.h"

#include "protocol/base/fault.h"

namespace coprotect::agent::custodian {
namespace {

constexpr std::int64_t kRetryMs = 30'000;

}  // namespace

Status EpochErasure::finish() {
  const std::lock_guard lock(mutex_);
  if (!keys_.take_epochs_due()) return Done{};
  auto erased = erase_due();
  if (erased) return erased;
  keys_.note_epochs_due();
  return std::move(erased).error().in("the shares are removed, but what opens old copies of them is not yet");
}

Status EpochErasure::sweep(std::int64_t now_ms) {
  if (failed_ms_ != 0 && now_ms - failed_ms_ < kRetryMs) return Done{};
  auto erased = finish();
  failed_ms_ = erased ? 0 : now_ms;
  return erased;
}

Status EpochErasure::erase_due() {
  std::vector<hsm::EpochId> due;
  {
    auto transaction = store_.begin();
    if (!transaction) return std::move(transaction).error();
    auto found = keys_.epochs_due(*transaction);
    if (!found) return std::move(found).error();
    due = *std::move(found);
  }
  if (due.empty()) return Done{};
  fault_point("agent-erase-epochs");
  if (auto destroyed = keeper_.destroy_epochs(due); !destroyed) return destroyed;
  if (auto emptied = store_.checkpoint(); !emptied) return emptied;
  fault_point("agent-erase-checkpointed");
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  for (const hsm::EpochId& epoch : due)
    if (auto done = keys_.epoch_is_erased(*transaction, epoch); !done) return done;
  return transaction->commit();
}

}  // namespace coprotect::agent::custodian
