#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/limit_use.h"
#include "protocol/base/result.h"

namespace coprotect::agent {

// Threads that run the jobs of many clients. The next job comes from the tenant that has used the least
// thread time, and within it from the client that has. A client with many or expensive jobs therefore gets no
// more than its share while others have jobs waiting, whatever a job costs. An idle client earns no credit.
// One client never occupies all threads, unless there is only one.
class FairWorkers {
 public:
  struct Limits {
    std::size_t jobs;  // that wait
    std::size_t bytes;
    std::size_t jobs_of_tenant;  // that wait or are done
    std::size_t bytes_of_tenant;
    std::size_t jobs_of_client;  // that wait or are done
    std::size_t bytes_of_client;
  };
  // Whom a job is charged to.
  struct Turn {
    std::string tenant;
    std::string client;
  };

  // Threads are started when first needed. `niceness` is added to the process's niceness (nice(2)), as far as
  // the system permits.
  FairWorkers(unsigned threads, const Limits& limits, int niceness = 0);
  // Runs the waiting jobs, then ends.
  ~FairWorkers();

  // Never blocks. Code::limited if this client or its tenant has too many jobs under way. Code::unavailable
  // if all clients together have, or if no thread can be started. An exception thrown by a job ends only that
  // job.
  Status submit(const Turn& turn, std::size_t bytes, std::function<void()> job);
  // Whether a job has run for longer than `limit`. Waiting jobs may be waiting behind it or for their turn.
  bool stuck(std::chrono::milliseconds limit) const;
  // Applies to new jobs.
  void use(const Limits& limits);
  // How much of each limit is in use; `at` names this set of threads.
  std::vector<LimitUse> uses(const std::string& at) const;

 private:
  using Seconds = std::chrono::duration<double>;
  using Clock = std::chrono::steady_clock;
  struct Job {
    std::size_t bytes;
    std::function<void()> work;
  };
  struct Client {
    Seconds used{};  // of the threads' time
    std::deque<Job> waiting;
    std::size_t running = 0;
    std::size_t bytes = 0;  // of those that wait or run
    std::size_t jobs() const { return waiting.size() + running; }
  };
  struct Tenant {
    Seconds used{};
    Seconds floor{};  // time used by the client that was chosen last
    std::map<std::string, Client> clients;
    std::size_t jobs = 0;  // of all clients, waiting or running
    std::size_t bytes = 0;
  };
  struct Chosen {
    Turn turn;
    Job job;
    Seconds charged;  // an estimate, until the job has ended
  };

  Status check_room(const Turn& turn, std::size_t bytes);
  void add(const Turn& turn, Job job);
  Status start_thread_if_needed();
  bool may_run(const Client& client) const;
  // Whether a job waits that may run now.
  bool has_next() const;
  Chosen choose();
  void done(const Chosen& chosen, Seconds took);
  void forget_idle();
  void run();

  const unsigned max_threads_;
  const int niceness_;
  mutable std::mutex mutex_;  // guards all below
  Limits limits_;
  std::condition_variable changed_;
  struct Hits {
    std::uint64_t of_client, of_tenant, of_all;
  } hits_{};
  std::map<std::string, Tenant> tenants_;
  Seconds floor_{};     // time used by the tenant that was chosen last
  Seconds expected_{};  // of a job, from finished jobs
  std::size_t waiting_ = 0;
  std::size_t bytes_ = 0;                   // of those that wait or run
  std::multiset<Clock::time_point> begun_;  // start times of the running jobs
  std::size_t idle_ = 0;                    // threads that wait for a job
  bool ending_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace coprotect::agent
