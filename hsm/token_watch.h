#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

namespace coprotect::hsm {

// The pauses between probes of a hanging token: each is twice as long as the one before.
struct ProbePauses {
  std::chrono::milliseconds first{1'000};
  std::chrono::milliseconds longest{30'000};
};

// Tracks whether a token hangs. If it does, probes it in a thread of its own until it answers, so that no
// other thread waits for it. Safe from several threads.
class TokenWatch {
 public:
  // Probes the token once; true if it answers at all, whatever the answer. Ends early on a stop request.
  using Probe = std::function<bool(const std::stop_token&)>;

  // Since when calls have been without an answer.
  struct Hang {
    std::string since;                  // 2026-01-31T08:00:00Z
    std::chrono::seconds next_probe{};  // in about this time, at least 1
  };

  TokenWatch(ProbePauses pauses, Probe probe)
      : pauses_(pauses), pause_(pauses.first), probe_(std::move(probe)) {}
  // Ends a running probe.
  ~TokenWatch();
  TokenWatch(const TokenWatch&) = delete;
  TokenWatch& operator=(const TokenWatch&) = delete;

  // None unless the token hangs.
  std::optional<Hang> hang() const;
  // Call when a call was not answered in time.
  void timed_out();
  // Call when a call was answered. Until then the pauses grow even if a probe was answered, because a token
  // may answer probes and nothing else.
  void answered();

 private:
  using Clock = std::chrono::steady_clock;
  void run(const std::stop_token& stop);

  const ProbePauses pauses_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable_any changed_;
  std::chrono::milliseconds pause_;
  std::string since_;  // empty unless it hangs
  Clock::time_point next_probe_{};
  const Probe probe_;
  std::jthread thread_;  // started with the first hang
};

}  // namespace coprotect::hsm
