#include "agent/custodian/last_uses.h"

#include <algorithm>
#include <utility>

#include "agent/custodian/told.h"
#include "hsm/forwarding_keeper.h"

namespace coprotect::agent::custodian {
namespace {

constexpr std::int64_t kFirstLookMs = 5'000;
constexpr std::int64_t kLongestPauseMs = 60'000;

// Whether the token or the store failed, rather than the request.
bool is_of_keeper(Code code) {
  return code == Code::unavailable || code == Code::wrong_code || code == Code::locked_out ||
         code == Code::altered || code == Code::internal;
}

class NotingKeeper final : public hsm::ForwardingKeeper {
 public:
  NotingKeeper(std::unique_ptr<hsm::ShareKeeper> keeper, LastUses& uses, std::function<std::int64_t()> now_ms)
      : ForwardingKeeper(std::move(keeper)), uses_(uses), now_ms_(std::move(now_ms)) {}

  Result<protocol::PartialSet> compute(const hsm::ShareId& id, ByteView record,
                                       const protocol::Element& public_share,
                                       std::span<const protocol::Element> bases, const Digest& context,
                                       Random& random, const Interest& interest) override {
    auto computed = ForwardingKeeper::compute(id, record, public_share, bases, context, random, interest);
    // An abandoned request says nothing about the keeper.
    return !computed && interest.ended() ? std::move(computed) : noted(id, std::move(computed));
  }
  Result<protocol::Deal> deal(const hsm::ShareId& id, ByteView record, const protocol::Element& public_share,
                              const protocol::HandoverPlan& plan, Random& random) override {
    return noted(id, ForwardingKeeper::deal(id, record, public_share, plan, random));
  }
  Result<protocol::ShareProof> prove(const hsm::ShareId& id, ByteView record,
                                     const protocol::Element& public_share, const Digest& offer_hash,
                                     Random& random) override {
    return noted(id, ForwardingKeeper::prove(id, record, public_share, offer_hash, random));
  }
  Status check(const hsm::ShareId& id, ByteView record, const protocol::Element& public_share) override {
    return noted(id, ForwardingKeeper::check(id, record, public_share));
  }

 private:
  template <typename T>
  Result<T> noted(const hsm::ShareId& id, Result<T> outcome) {
    if (outcome)
      uses_.note(id.key_id, std::nullopt, now_ms_());
    else if (is_of_keeper(outcome.error().code()))
      uses_.note(id.key_id, outcome.error(), now_ms_());
    return outcome;
  }

  LastUses& uses_;
  const std::function<std::int64_t()> now_ms_;
};

}  // namespace

void LastUses::note(const protocol::KeyId& key_id, const std::optional<Error>& failure, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key_id);
  const bool same = found != entries_.end() && found->second.state.failure.empty() == !failure.has_value();
  Entry& entry = same ? found->second : entries_[key_id];
  if (!same)
    entry = {.state = {.since_ms = now_ms, .failure = {}},
             .look_ms = now_ms + kFirstLookMs,
             .pause_ms = kFirstLookMs};
  entry.state.last_ms = now_ms;
  entry.state.failure = failure ? told(*failure).message() : std::string();
}

std::optional<LastUses::State> LastUses::of(const protocol::KeyId& key_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key_id);
  return found == entries_.end() ? std::nullopt : std::optional(found->second.state);
}

bool LastUses::take_due(const protocol::KeyId& key_id, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key_id);
  if (found == entries_.end() || found->second.state.failure.empty()) return false;
  Entry& entry = found->second;
  // A clock that was set back must not delay the check.
  if (now_ms < entry.look_ms && entry.look_ms - now_ms <= kLongestPauseMs) return false;
  entry.pause_ms = std::min(2 * entry.pause_ms, kLongestPauseMs);
  entry.look_ms = now_ms + entry.pause_ms;
  return true;
}

std::unique_ptr<hsm::ShareKeeper> noting(std::unique_ptr<hsm::ShareKeeper> keeper, LastUses& uses,
                                         std::function<std::int64_t()> now_ms) {
  return std::make_unique<NotingKeeper>(std::move(keeper), uses, std::move(now_ms));
}

}  // namespace coprotect::agent::custodian
