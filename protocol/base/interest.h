#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>

#include "protocol/base/result.h"

namespace coprotect {

// Tells whether a caller still waits for an answer. Long work asks between its parts, and stops when the
// caller has gone or its deadline has passed. Safe from several threads.
class Interest {
 public:
  using Clock = std::chrono::steady_clock;

  // A caller that waits without a deadline.
  Interest() = default;
  explicit Interest(Clock::time_point until) : until_(until) {}

  // The caller has gone.
  void give_up() { gone_ = true; }
  bool ended() const { return gone_ || Clock::now() >= until_; }
  // Code::unavailable once it has ended. The message says why, and that `done` of `all` parts were done.
  Status check(std::size_t done, std::size_t all) const {
    if (!ended()) return Done{};
    return Error(Code::unavailable,
                 "given up after " + std::to_string(done) + " of " + std::to_string(all) +
                     " items: " + (gone_ ? "the caller has gone" : "the request's time is over"));
  }

 private:
  const Clock::time_point until_ = Clock::time_point::max();
  std::atomic<bool> gone_ = false;
};

}  // namespace coprotect
