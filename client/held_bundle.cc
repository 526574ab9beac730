#include "client/held_bundle.h"

#include <mutex>

#include "client/bundle_file.h"
#include "client/files/output_file.h"

namespace coprotect::client {
namespace {

constexpr mode_t kCandidateMode = 0644;

}  // namespace

struct HeldBundle::State {
  std::filesystem::path file;  // empty: none
  Warn warn;                   // empty after it was called
  std::mutex updating;         // one thread asks the agents for all
  std::mutex mutex;            // guards the members below
  std::shared_ptr<const protocol::Bundle> bundle;
  std::shared_ptr<const protocol::Bundle> candidate;  // null: none

  std::shared_ptr<const protocol::Bundle> current() {
    const std::lock_guard lock(mutex);
    return bundle;
  }
  // Unless something newer is already held.
  void hold(const protocol::Bundle& newer) {
    const std::lock_guard lock(mutex);
    if (newer.extends(*bundle)) bundle = std::make_shared<const protocol::Bundle>(newer);
  }
  // A candidate counts only while it extends the held bundle.
  std::shared_ptr<const protocol::Bundle> preferred() {
    const std::lock_guard lock(mutex);
    return candidate && candidate->extends(*bundle) ? candidate : bundle;
  }
  std::filesystem::path candidate_file() const { return file.string() + ".candidate"; }
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
  if (state_->file.empty()) return;
  auto candidate = load_bundle(state_->candidate_file(), state_->bundle->key_id());
  if (candidate) state_->candidate = std::make_shared<const protocol::Bundle>(*std::move(candidate));
}

std::shared_ptr<const protocol::Bundle> HeldBundle::current() const {
  return state_->current();
}

std::shared_ptr<const protocol::Bundle> HeldBundle::preferred() const {
  return state_->preferred();
}

void HeldBundle::prefer(const protocol::Bundle& candidate) const {
  {
    const std::lock_guard lock(state_->mutex);
    state_->candidate = std::make_shared<const protocol::Bundle>(candidate);
    if (state_->file.empty()) return;
    if (state_->bundle->extends(candidate)) {
      std::error_code ignored;
      std::filesystem::remove(state_->candidate_file(), ignored);
      return;
    }
  }
  // If this fails, the next program makes one more request.
  auto output = OutputFile::create(state_->candidate_file(), true, kCandidateMode);
  if (output && write_all(output->fd(), candidate.encoded())) static_cast<void>(output->commit());
}

Result<ShownHistory> HeldBundle::ask(const Credentials& credentials,
                                     std::chrono::milliseconds deadline) const {
  const std::uint32_t before = state_->current()->epoch();
  const std::lock_guard one_at_a_time(state_->updating);
  const auto held = state_->current();
  // Another thread asked while this one waited.
  if (held->epoch() > before) return ShownHistory{.confirmed = *held, .candidates = {}};
  auto history = ask_history(*held, credentials, deadline);
  if (!history || history->confirmed.epoch() == held->epoch()) return history;
  state_->keep(history->confirmed);
  state_->hold(history->confirmed);
  return history;
}

void HeldBundle::confirm(const protocol::Bundle& candidate) const {
  const std::lock_guard one_at_a_time(state_->updating);
  state_->keep(candidate);
  state_->hold(candidate);
}

bool HeldBundle::follow_file() const {
  const auto held = state_->current();
  const auto in_file = load_bundle(state_->file, held->key_id());
  if (!in_file || !in_file->extends(*held)) return false;
  state_->hold(*in_file);
  return true;
}

}  // namespace coprotect::client
