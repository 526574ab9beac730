#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <vector>

#include "agent/ipc/messages.h"
#include "agent/limit_use.h"

namespace coprotect::agent {

// Shows the operator how much of each limit of docs/LIMITS.md is in use, and how often it was hit since the
// agent started: in the log when it is asked for, and in a file in the text exposition format of Prometheus
// every 15 s. Safe from several threads.
class LimitReport {
 public:
  // `others` tells of the limits that the front does not keep. Without a file none is written.
  using Others = std::function<std::vector<LimitUse>()>;
  LimitReport(const ipc::Limits& limits, std::filesystem::path file, Others others)
      : limits_(limits), file_(std::move(file)), others_(std::move(others)) {}

  // "limits.prom" in the folder that the service manager made for this service; empty if it did not.
  static std::filesystem::path usual_file();

  void use(const ipc::Limits& limits);
  // What the front says, some seconds apart; and that it ended: the next one begins to count at 0.
  void heard(const ipc::Usage& usage);
  void front_ended();
  // Into the log, at the next sweep.
  void ask() { asked_ = true; }
  std::vector<LimitUse> uses();
  // Once a second.
  void sweep();

 private:
  std::mutex mutex_;  // guards the next three
  ipc::Limits limits_;
  ipc::Usage usage_;  // of the present front
  ipc::Usage past_;   // of those before
  std::atomic<bool> asked_ = false;
  const std::filesystem::path file_;
  const Others others_;
  std::chrono::steady_clock::time_point written_{};  // of the thread that sweeps
};

}  // namespace coprotect::agent
