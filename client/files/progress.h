#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace coprotect::client {

// A progress bar on the terminal for work that takes longer than a second. Safe from several threads.
class Progress {
 public:
  // total: bytes of input, 0 if unknown. Shows nothing unless `shown`.
  Progress(std::uint64_t total, bool shown);
  ~Progress();

  void add(std::uint64_t bytes);
  // Removes the bar so that a message can be written. The next add() draws it again.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void draw(std::uint64_t done);

  const std::uint64_t total_;
  const bool shown_;
  const Clock::time_point begin_ = Clock::now();
  std::atomic<std::uint64_t> done_ = 0;
  std::mutex mutex_;
  Clock::time_point drawn_at_ = begin_;
  bool on_screen_ = false;
};

}  // namespace coprotect::client
