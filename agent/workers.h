#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace coprotect::agent {

// Threads that run jobs in order of submission. Each is started when first needed.
class Workers {
 public:
  // At most `capacity` jobs wait, with a total weight (for example bytes) of at most `weight`. A single job
  // is accepted whatever its weight.
  Workers(unsigned threads, std::size_t capacity, std::size_t weight);
  // Runs the waiting jobs, then ends.
  ~Workers();

  // Blocks until there is room.
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
