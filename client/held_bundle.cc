#include "client/held_bundle.h"

#include <mutex>

#include "client/bundle_file.h"
#include "client/bundle_update.h"
#include "client/files/small_file.h"

namespace coprotect::client {

struct HeldBundle::State {
  std::filesystem::path file;  // empty: none
  Warn warn;                   // empty once it was told
  std::mutex updating;         // one asks the agents, for all
  std::mutex mutex;            // of what follows
  std::shared_ptr<const protocol::Bundle> bundle;

  std::shared_ptr<const protocol::Bundle> current() {
    const std::lock_guard lock(mutex);
    return bundle;
  }
  void keep(const protocol::Bundle& newer) {
    if (file.empty()) return;
    const auto kept = keep_bundle(newer, file);
    if (!kept && warn) std::exchange(warn, {})(Error(kept.error()).in("newer bundle of the key not kept"));
  }
};

HeldBundle::HeldBundle(protocol::Bundle bundle) : HeldBundle(std::move(bundle), {}, {}) {}

HeldBundle::HeldBundle(protocol::Bundle bundle, std::filesystem::path file, Warn warn)
    : state_(std::make_shared<State>()) {
  state_->file = std::move(file);
  state_->warn = std::move(warn);
  state_->bundle = std::make_shared<const protocol::Bundle>(std::move(bundle));
}

std::shared_ptr<const protocol::Bundle> HeldBundle::current() const {
  return state_->current();
}

Result<std::shared_ptr<const protocol::Bundle>> HeldBundle::newer_than(
    const protocol::Bundle& used, const Credentials& credentials, std::chrono::milliseconds deadline) const {
  const std::lock_guard one_at_a_time(state_->updating);
  auto held = state_->current();
  if (held->epoch() > used.epoch()) return held;
  auto fetched = fetch_newest(*held, credentials, deadline);
  if (!fetched) return std::move(fetched).error();
  if (fetched->epoch() == held->epoch()) return held;
  state_->keep(*fetched);
  auto newer = std::make_shared<const protocol::Bundle>(*std::move(fetched));
  const std::lock_guard lock(state_->mutex);
  state_->bundle = newer;
  return newer;
}

bool HeldBundle::is_kept() const {
  const auto held = current();
  const auto content = read_small_file(state_->file, kMaxBundleSize);
  return content && *content == held->encoded();
}

}  // namespace coprotect::client
