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

// Threads that do the jobs of many clients. Next is a job of the tenant that has used the least of their
// time, and in it of the client that has; so one client's many or dear jobs take no more than its part while
// others have some to do, whatever a job costs. Who comes back gets no credit for the time in which it asked
// for nothing. One client never has all threads, if there is more than one.
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
  // Whose turn a job takes.
  struct Turn {
    std::string tenant;
    std::string client;
  };

  // Threads are started when they are first needed. By `niceness` they are nicer (nice(2)) than the process,
  // as far as the system lets them.
  FairWorkers(unsigned threads, const Limits& limits, int niceness = 0);
  // Does what waits, then ends.
  ~FairWorkers();

  // Never waits. Code::limited if this client or its tenant has too much under way, Code::unavailable if all
  // have, or if no thread can be had. What a job throws ends that job alone.
  Status submit(const Turn& turn, std::size_t bytes, std::function<void()> job);
  // Whether a job has run for longer than `limit`. Those that wait, wait for such ones or for their turn.
  bool stuck(std::chrono::milliseconds limit) const;
  // For jobs that come from now on.
  void use(const Limits& limits);
  // How much of each limit is in use; `at` says which threads these are.
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
    Seconds floor{};  // what the client had used that was last chosen
    std::map<std::string, Client> clients;
    std::size_t jobs = 0;  // of all of them, that wait or run
    std::size_t bytes = 0;
  };
  struct Chosen {
    Turn turn;
    Job job;
    Seconds charged;  // until it is known what it took
  };

  Status check_room(const Turn& turn, std::size_t bytes);
  void add(const Turn& turn, Job job);
  Status start_thread_if_needed();
  bool may_run(const Client& client) const;
  // Whether somebody waits whose turn may come.
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
  Seconds floor_{};     // what the tenant had used that was last chosen
  Seconds expected_{};  // of a job, from those that were done
  std::size_t waiting_ = 0;
  std::size_t bytes_ = 0;                   // of those that wait or run
  std::multiset<Clock::time_point> begun_;  // when the jobs that run did
  std::size_t idle_ = 0;                    // threads that wait for a job
  bool ending_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace coprotect::agent
