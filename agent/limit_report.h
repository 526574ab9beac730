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
// agent started. Writes to the log on request, and every 15 s to a file in the Prometheus text exposition
// format. Safe from several threads.
class LimitReport {
 public:
  // `others` returns the use of limits that the front does not enforce. If `file` is empty, no file is
  // written.
  using Others = std::function<std::vector<LimitUse>()>;
  LimitReport(const ipc::Limits& limits, std::filesystem::path file, Others others)
      : limits_(limits), file_(std::move(file)), others_(std::move(others)) {}

  // "limits.prom" in the service manager's runtime folder for this service; empty if there is none.
  static std::filesystem::path usual_file();

  void use(const ipc::Limits& limits);
  // Takes the front's periodic counts. After front_ended(), the next front counts from 0 again.
  void heard(const ipc::Usage& usage);
  void front_ended();
  // Requests a report in the log at the next sweep.
  void ask() { asked_ = true; }
  std::vector<LimitUse> uses();
  // Call once a second.
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
