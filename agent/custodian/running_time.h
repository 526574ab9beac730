#pragma once

#include <functional>
#include <mutex>

#include "agent/custodian/store.h"
#include "hsm/keyring.h"

namespace coprotect::agent::custodian {

// How long this agent has run, over all its runs. Waits use it together with the wall clock, because anyone
// who sets the host's time can move that: a wait is over when both say so. Time since the last save is lost
// with the process, so a wait can only become longer.
class RunningTime {
 public:
  // `steady_ms` never goes back while the process lives.
  RunningTime(const hsm::Keyring& keyring, std::function<std::int64_t()> steady_ms)
      : keyring_(keyring), steady_ms_(std::move(steady_ms)), since_ms_(steady_ms_()) {}

  // Code::altered if the row's MAC does not verify.
  Status load(Transaction& transaction);
  // Writes it. Call each minute.
  Status save(Transaction& transaction);
  // Milliseconds.
  std::int64_t total_ms() const;

 private:
  Digest mac(std::int64_t total_ms) const;

  const hsm::Keyring& keyring_;
  std::function<std::int64_t()> steady_ms_;
  mutable std::mutex mutex_;
  std::int64_t before_ms_ = 0;  // of earlier runs
  std::int64_t since_ms_;       // when this one began, by steady_ms_
};

}  // namespace coprotect::agent::custodian
