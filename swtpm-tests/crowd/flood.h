#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "protocol/base/result.h"

namespace coprotect::harness::crowd {

// Threads that do something again and again, each as fast as it is answered.
class Flood {
 public:
  Flood() = default;
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  // Each thread makes its own way to send.
  using Send = std::function<Status()>;
  void add(unsigned threads, const std::function<Send()>& make);
  // How often it was answered what: `212 ok, 12 limited ("..."); 220 were sent`.
  std::string account() const;

 private:
  struct Outcome {
    std::size_t times = 0;
    std::string message = {};  // the last one
  };
  mutable std::mutex mutex_;
  std::map<std::string, Outcome> outcomes_;
  std::size_t sent_ = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace coprotect::harness::crowd
