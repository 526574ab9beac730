#include "hsm/token_watch.h"

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

#include "protocol/file/utc_time.h"

namespace coprotect::hsm {
namespace {

std::string utc_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return protocol::format_utc_time(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace

TokenWatch::~TokenWatch() {
  thread_.request_stop();
}

std::optional<TokenWatch::Hang> TokenWatch::hang() const {
  const std::lock_guard lock(mutex_);
  if (since_.empty()) return std::nullopt;
  const auto left = std::chrono::ceil<std::chrono::seconds>(next_probe_ - Clock::now());
  return Hang{.since = since_, .next_probe = std::max(left, std::chrono::seconds(1))};
}

void TokenWatch::timed_out() {
  const std::lock_guard lock(mutex_);
  if (!since_.empty()) return;
  try {
    if (!thread_.joinable()) thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  } catch (const std::system_error&) {
    return;  // without a probing thread, each call has to find out for itself
  }
  since_ = utc_now();
  next_probe_ = Clock::now() + pause_;
  changed_.notify_all();
}

void TokenWatch::answered() {
  const std::lock_guard lock(mutex_);
  pause_ = pauses_.first;
}

void TokenWatch::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return !since_.empty(); })) {
    next_probe_ = Clock::now() + pause_;
    pause_ = std::min(2 * pause_, pauses_.longest);
    changed_.wait_until(lock, stop, next_probe_, [] { return false; });
    if (stop.stop_requested()) return;
    lock.unlock();
    bool answers = false;
    try {
      answers = probe_(stop);
    } catch (const std::exception&) {  // our own lack of memory says nothing about the token
    }
    lock.lock();
    if (answers) since_.clear();
  }
}

}  // namespace coprotect::hsm
