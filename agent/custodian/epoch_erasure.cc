#include "agent/custodian/epoch_erasure.h"

#include "agent/custodian/erasure.h"
#include "protocol/base/fault.h"

namespace coprotect::agent::custodian {
namespace {

constexpr std::int64_t kRetryMs = 30'000;

}  // namespace

Status EpochErasure::finish(const std::optional<protocol::KeyId>& key_id) {
  const std::lock_guard lock(mutex_);
  if (!keys_.take_epochs_due()) return Done{};
  auto erased = erase_due(key_id);
  if (erased) return erased;
  return std::move(erased).error().in("the shares are removed, but what opens old copies of them is not yet");
}

Status EpochErasure::sweep(std::int64_t now_ms) {
  if (failure_ && now_ms - failed_ms_ < kRetryMs) return *failure_;
  auto erased = finish();
  failure_ = erased ? std::nullopt : std::optional(erased.error());
  failed_ms_ = now_ms;
  return erased;
}

Result<EpochErasure::Due> EpochErasure::due() {
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  Due due;
  for (const hsm::EpochId& epoch : keys_.epochs_due(*transaction)) due[epoch.key_id].push_back(epoch);
  return due;
}

// Tries all keys together first, which is one switch. If that fails with Code::altered, tries each key
// separately, so that one that cannot be erased does not block the others.
Status EpochErasure::erase_due(const std::optional<protocol::KeyId>& key_id) {
  auto found = due();
  if (!found) {
    keys_.note_epochs_due();
    return std::move(found).error();
  }
  if (found->empty()) return Done{};
  if (auto alone = other_life_.check(); !alone) {
    keys_.note_epochs_due();
    return !key_id || found->contains(*key_id) ? alone : Status(Done{});
  }
  fault_point("agent-erase-epochs");
  std::vector<hsm::EpochId> all;
  for (const auto& [key, epochs] : *found) all.insert(all.end(), epochs.begin(), epochs.end());
  const auto together = keeper_.destroy_epochs(all);
  const auto emptied = store_.checkpoint();
  fault_point("agent-erase-checkpointed");
  Status status = Done{};
  for (const auto& [key, epochs] : *found) {
    const bool by_itself = !together && together.error().code() == Code::altered;
    Status erased = by_itself ? keeper_.destroy_epochs(epochs) : together;
    if (erased) erased = emptied;
    if (erased) erased = note_erased(key, epochs);
    if (erased) continue;
    keys_.note_epochs_due();
    if (status && (!key_id || *key_id == key)) status = std::move(erased);
  }
  return status;
}

Status EpochErasure::note_erased(const protocol::KeyId& key_id, const std::vector<hsm::EpochId>& epochs) {
  auto transaction = store_.begin();
  if (!transaction) return std::move(transaction).error();
  for (const hsm::EpochId& epoch : epochs)
    if (auto done = keys_.epoch_is_erased(*transaction, epoch); !done) return done;
  const KeyPtr key = keys_.active(key_id);
  const auto list = key == nullptr ? nullptr : lists_.of_tenant(key->tenant());
  if (list != nullptr && key->erased()) {
    auto entry = destruction_entry(*key, *list, settings_.now_ms(), "the destroyed key's shares are erased");
    if (auto recorded = log_.append(*transaction, std::move(entry)); !recorded) return recorded;
  }
  return transaction->commit();
}

}  // namespace coprotect::agent::custodian
