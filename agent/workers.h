#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace coprotect::agent {

// Threads that do jobs in the order in which they came; each is started when it is first needed.
class Workers {
 public:
  // At most `capacity` jobs and `weight` (for example bytes) wait; one job is taken whatever its weight.
  Workers(unsigned threads, std::size_t capacity, std::size_t weight);
  // Does what waits, then ends.
  ~Workers();

  // Waits for room.
  void submit(std::size_t weight, std::function<void()> job);

 private:
  struct Job {
    std::size_t weight;
    std::function<void()> work;
  };
  void run();

  const unsigned max_threads_;
  const std::size_t capacity_;
  const std::size_t max_weight_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  std::size_t weight_ = 0;
  std::size_t idle_ = 0;  // threads that wait for a job
  bool ending_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace coprotect::agent
