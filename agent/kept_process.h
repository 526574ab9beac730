#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "agent/child_process.h"

namespace coprotect::agent {

// A process of the agent that is started again when it ends, at once or, if it ends again and again, less and
// less often. For one thread.
class KeptProcess {
 public:
  using Clock = std::chrono::steady_clock;
  using Start = std::function<Result<std::unique_ptr<ChildProcess>>()>;

  // `name` is the program's: "coprotect-front".
  KeptProcess(std::string name, Start start) : name_(std::move(name)), start_(std::move(start)) {}

  Status start();
  // Null while it does not run.
  ChildProcess* process() const { return process_.get(); }
  // To be polled for reading: readable when it has ended; −1 while it does not run.
  int handle() const { return process_ ? process_->handle() : -1; }
  // Whether this life of it is longer than most failures take.
  bool stable() const { return process_ && Clock::now() - started_ >= kStable; }

  // It has ended: logged, and due again after a while. Without a log if its end was asked for.
  void ended(bool asked_for);
  // Starts it if it does not run and is due; a failure is logged.
  void restart_when_due();
  // How long until restart_when_due() may have something to do; at most `most`.
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
