#include "agent/custodian/parts_checks.h"

#include "agent/custodian/kept_parts.h"

namespace coprotect::agent::custodian {
namespace {

constexpr std::int64_t kDayMs = std::int64_t{24} * 3600 * 1000;
constexpr std::int64_t kRetryMs = std::int64_t{60} * 1000;

}  // namespace

// Checks what is on the disk now, not what was read at start: a disk can lose a row while the agent runs, and
// otherwise only a restart would show it.
Status PartsChecks::check(const Key& key) const {
  const auto stored = [&]() -> Result<Key> {
    auto transaction = store_.begin();
    if (!transaction) return std::move(transaction).error();
    transaction->read_from_disk();
    return keys_.stored(*transaction, key);
  }();
  if (!stored) return stored.error();
  const auto parts = kept_parts(keeper_, *stored);
  if (!parts) return parts.error();
  return parts->check(key.sharing, system_random());
}

bool PartsChecks::due(const Key& key, std::int64_t now_ms) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key.key_id());
  if (found == entries_.end() || found->second.epoch != key.epoch()) return true;
  const std::int64_t age_ms = now_ms - found->second.tried_ms;
  return age_ms < 0 || age_ms >= (found->second.state.problem.empty() ? kDayMs : kRetryMs);
}

void PartsChecks::run(std::int64_t now_ms) {
  for (const KeyPtr& key : keys_.all_active()) {
    if (!key->sharing.recovery || key->erased() || !due(*key, now_ms)) continue;
    const auto held = check(*key);
    // A handover may have changed the row meanwhile: the next run checks its new epoch.
    if (!held && keys_.active(key->key_id()) != key) return;
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[key->key_id()];
    if (entry.epoch != key->epoch()) entry = {};
    entry.epoch = key->epoch();
    entry.tried_ms = now_ms;
    entry.state.problem = held ? "" : held.error().message();
    if (held) entry.state.verified_ms = now_ms;
    return;
  }
}

std::optional<PartsChecks::State> PartsChecks::of(const Key& key) const {
  if (!key.sharing.recovery) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key.key_id());
  if (found == entries_.end() || found->second.epoch != key.epoch()) return State{};
  return found->second.state;
}

}  // namespace coprotect::agent::custodian
