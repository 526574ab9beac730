#include "agent/workers.h"

#include <exception>
#include <utility>

#include "agent/log.h"

namespace coprotect::agent {

Workers::Workers(unsigned threads, std::size_t capacity, std::size_t weight)
    : max_threads_(threads), capacity_(capacity), max_weight_(weight) {}

Workers::~Workers() {
  const std::lock_guard lock(mutex_);
  ending_ = true;
  changed_.notify_all();
}

void Workers::submit(std::size_t weight, std::function<void()> job) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return waiting_.empty() || (waiting_.size() < capacity_ && weight_ + weight <= max_weight_);
  });
  waiting_.push_back({weight, std::move(job)});
  weight_ += weight;
  if (waiting_.size() > idle_ && threads_.size() < max_threads_) threads_.emplace_back([this] { run(); });
  changed_.notify_all();
}

void Workers::run() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      ++idle_;
      changed_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
      --idle_;
      if (waiting_.empty()) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
      weight_ -= job.weight;
      changed_.notify_all();
    }
    try {
      job.work();
    } catch (const std::exception&) {
      log_error("a job was given up for want of memory");
    }
  }
}

}  // namespace coprotect::agent
