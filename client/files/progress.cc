#include "client/files/progress.h"

#include <algorithm>
#include <cstdio>
#include <iostream>

namespace coprotect::client {
namespace {

constexpr auto kFirst = std::chrono::seconds(1);
constexpr auto kEvery = std::chrono::milliseconds(100);
constexpr int kWidth = 40;

}  // namespace

Progress::Progress(std::uint64_t total, bool shown) : total_(total), shown_(shown) {}

Progress::~Progress() {
  clear();
}

void Progress::add(std::uint64_t bytes) {
  const std::uint64_t done = done_ += bytes;
  if (!shown_) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return;  // another thread draws
  const auto now = Clock::now();
  if (now - begin_ < kFirst || now - drawn_at_ < kEvery) return;
  drawn_at_ = now;
  draw(done);
}

void Progress::draw(std::uint64_t done) {
  const double seconds = std::chrono::duration<double>(drawn_at_ - begin_).count();
  const double megabytes = static_cast<double>(done) / 1e6;
  std::string line = "\r\x1b[K";
  if (total_ > 0) {
    const double part = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
    const int filled = static_cast<int>(part * kWidth);
    line += "[" + std::string(static_cast<std::size_t>(filled), '#') +
            std::string(static_cast<std::size_t>(kWidth - filled), ' ') + "] " +
            std::to_string(static_cast<int>(part * 100)) + " %  ";
  }
  char figures[64];
  std::snprintf(figures, sizeof(figures), "%.0f MB, %.0f MB/s", megabytes, megabytes / seconds);
  std::cerr << line << figures << std::flush;
  on_screen_ = true;
}

void Progress::clear() {
  const std::lock_guard lock(mutex_);
  if (on_screen_) std::cerr << "\r\x1b[K" << std::flush;
  on_screen_ = false;
}

}  // namespace coprotect::client
