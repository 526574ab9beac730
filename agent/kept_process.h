#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "agent/child_process.h"

namespace coprotect::agent {

// A child process that is restarted when it ends, with a growing delay if it keeps ending. For one thread.
class KeptProcess {
 public:
  using Clock = std::chrono::steady_clock;
  using Start = std::function<Result<std::unique_ptr<ChildProcess>>()>;

  // `name` is the program's: "coprotect-front".
  KeptProcess(std::string name, Start start) : name_(std::move(name)), start_(std::move(start)) {}

  Status start();
  // Null while it does not run.
  ChildProcess* process() const { return process_.get(); }
  // Poll it for reading: readable once the process has ended; −1 while it does not run.
  int handle() const { return process_ ? process_->handle() : -1; }
  // Whether it has run for longer than most failures take to show.
  bool stable() const { return process_ && Clock::now() - started_ >= kStable; }

  // Call when it has ended. Reaps it and, unless the end was requested, logs the end and schedules a restart.
  void ended(bool asked_for);
  // Starts it if it is not running and due. Logs a failure.
  void restart_when_due();
  // Time until restart_when_due() may have work; at most `most`.
  std::chrono::milliseconds due_within(std::chrono::milliseconds most) const;

 private:
  static constexpr std::chrono::milliseconds kFirstBackoff{100};
  static constexpr std::chrono::milliseconds kLongestBackoff{10'000};
  static constexpr std::chrono::milliseconds kStable{60'000};
  void schedule();

  const std::string name_;
  const Start start_;
  std::unique_ptr<ChildProcess> process_;
  Clock::time_point started_{};
  Clock::time_point restart_at_{};
  std::chrono::milliseconds backoff_ = kFirstBackoff;
};

}  // namespace coprotect::agent
