#include "client/held_bundle.h"

#include <mutex>

#include "client/bundle_file.h"
#include "client/bundle_update.h"

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
  // What is held then: this, unless something newer is held already.
  std::shared_ptr<const protocol::Bundle> hold(protocol::Bundle newer) {
    const std::lock_guard lock(mutex);
    if (newer.extends(*bundle)) bundle = std::make_shared<const protocol::Bundle>(std::move(newer));
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

Result<std::shared_ptr<const protocol::Bundle>> HeldBundle::newest(const Credentials& credentials,
                                                                   std::chrono::milliseconds deadline) const {
  const std::uint32_t before = state_->current()->epoch();
  const std::lock_guard one_at_a_time(state_->updating);
  auto held = state_->current();
  if (held->epoch() > before) return held;  // another thread asked while this one waited
  auto fetched = fetch_newest(*held, credentials, deadline);
  if (!fetched) return std::move(fetched).error();
  if (fetched->epoch() == held->epoch()) return held;
  state_->keep(*fetched);
  return state_->hold(*std::move(fetched));
}

bool HeldBundle::follow_file() const {
  const auto held = state_->current();
  auto in_file = load_bundle(state_->file, held->key_id());
  if (!in_file || !in_file->extends(*held)) return false;
  state_->hold(*std::move(in_file));
  return true;
}

}  // namespace coprotect::client
