#pragma once

#include <unistd.h>

#include <atomic>

namespace coprotect::keyclient {

// A T of each process: after a fork the child gets a new one. The parent's copy in the child is told
// (abandon()) and then left as it is, never destroyed: a thread of the parent may have been inside it, so its
// locks can be held for ever and its parts be half changed. abandon() must bear that.
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
  // Destroys this process's, or lets go of the parent's. For when nobody else is inside any more.
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
