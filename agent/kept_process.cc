#include "agent/kept_process.h"

#include <algorithm>

#include "agent/log.h"

namespace coprotect::agent {

Status KeptProcess::start() {
  auto process = start_();
  if (!process) {
    schedule();
    return std::move(process).error();
  }
  process_ = std::move(*process);
  started_ = Clock::now();
  return Done{};
}

void KeptProcess::schedule() {
  restart_at_ = Clock::now() + backoff_;
  backoff_ = std::min(2 * backoff_, kLongestBackoff);
}

void KeptProcess::ended(bool asked_for) {
  const bool was_stable = stable();
  const std::string end = process_->reap();
  process_.reset();
  if (asked_for) return;
  if (was_stable) backoff_ = kFirstBackoff;
  log_error(name_ + " " + end);
  schedule();
}

void KeptProcess::restart_when_due() {
  if (process_ || Clock::now() < restart_at_) return;
  if (auto started = start(); !started) log_error(started.error().message());
}

std::chrono::milliseconds KeptProcess::due_within(std::chrono::milliseconds most) const {
  return process_ ? most : std::min(most, backoff_);
}

}  // namespace coprotect::agent
