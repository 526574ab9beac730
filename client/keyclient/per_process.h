#pragma once

#include <unistd.h>

#include <atomic>

namespace coprotect::keyclient {

// One T per process: a child of fork() gets a new one. In the child, abandon() is called on the parent's
// copy, which is then left as it is and never destroyed. A thread of the parent may have been inside it, so
// its locks can be held forever and its parts half changed. abandon() must tolerate that.
template <typename T>
class PerProcess {
 public:
  constexpr PerProcess() = default;
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;

  T& get() {
    Entry* seen = current_.load(std::memory_order_acquire);
    const pid_t self = getpid();
    if (seen != nullptr && seen->process == self) return seen->value;
    auto* const mine = new Entry{.process = self, .value = {}};
    if (!current_.compare_exchange_strong(seen, mine, std::memory_order_acq_rel)) {
      delete mine;
      return seen->value;  // another thread of this process was first
    }
    if (seen != nullptr) seen->value.abandon();
    return mine->value;
  }
  // Destroys this process's object, or abandons the parent's. No other thread may be in a call.
  void reset() {
    Entry* const last = current_.exchange(nullptr, std::memory_order_acq_rel);
    if (last == nullptr) return;
    if (last->process == getpid())
      delete last;
    else
      last->value.abandon();
  }

 private:
  struct Entry {
    pid_t process;
    T value;
  };
  std::atomic<Entry*> current_ = nullptr;  // not released at exit: other threads may still be calling
};

}  // namespace coprotect::keyclient
