#include "agent/fair_workers.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <new>
#include <optional>
#include <system_error>
#include <utility>

#include "agent/log.h"

namespace coprotect::agent {
namespace {

constexpr std::size_t kRemembered = 256;            // idle tenants, and idle clients of one
constexpr std::chrono::milliseconds kNoMemory(20);  // until the next attempt
constexpr double kNewest = 0.1;                     // weight of the newest job in the expected duration

// Lowers this thread's priority below the process's. Linux has a niceness for each thread.
void be_nice(int niceness) {
  const auto self = static_cast<id_t>(gettid());
  if (niceness != 0) setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + niceness);
}

}  // namespace

FairWorkers::FairWorkers(unsigned threads, const Limits& limits, int niceness)
    : max_threads_(threads), niceness_(niceness), limits_(limits) {}

FairWorkers::~FairWorkers() {
  const std::lock_guard lock(mutex_);
  ending_ = true;
  changed_.notify_all();
}

void FairWorkers::use(const Limits& limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

Status FairWorkers::submit(const Turn& turn, std::size_t bytes, std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (auto room = check_room(turn, bytes); !room) return room;
  if (auto started = start_thread_if_needed(); !started) return started;
  add(turn, {bytes, std::move(job)});
  changed_.notify_one();
  return Done{};
}

Status FairWorkers::check_room(const Turn& turn, std::size_t bytes) {
  const auto tenant = tenants_.find(turn.tenant);
  if (tenant != tenants_.end()) {
    const auto client = tenant->second.clients.find(turn.client);
    if (client != tenant->second.clients.end() && client->second.jobs() > 0 &&
        (client->second.jobs() >= limits_.jobs_of_client ||
         client->second.bytes + bytes > limits_.bytes_of_client)) {
      ++hits_.of_client;
      return Error(Code::limited, "this client has too many requests under way");
    }
    if (tenant->second.jobs > 0 && (tenant->second.jobs >= limits_.jobs_of_tenant ||
                                    tenant->second.bytes + bytes > limits_.bytes_of_tenant)) {
      ++hits_.of_tenant;
      return Error(Code::limited, "this client's tenant has too many requests under way");
    }
  }
  if (waiting_ > 0 && (waiting_ >= limits_.jobs || bytes_ + bytes > limits_.bytes)) {
    ++hits_.of_all;
    return Error(Code::unavailable, "the agent has too many requests under way");
  }
  return Done{};
}

std::vector<LimitUse> FairWorkers::uses(const std::string& at) const {
  const std::lock_guard lock(mutex_);
  LimitUse client{at, "requests_per_client", limits_.jobs_of_client, 0, hits_.of_client};
  LimitUse client_bytes{at, "body_mib_per_client", mib_of(limits_.bytes_of_client), 0, hits_.of_client};
  LimitUse tenant{at, "requests_per_tenant", limits_.jobs_of_tenant, 0, hits_.of_tenant};
  LimitUse tenant_bytes{at, "body_mib_per_tenant", mib_of(limits_.bytes_of_tenant), 0, hits_.of_tenant};
  for (const auto& [name, of_tenant] : tenants_) {
    tenant.use = std::max<std::uint64_t>(tenant.use, of_tenant.jobs);
    tenant_bytes.use = std::max(tenant_bytes.use, mib_of(of_tenant.bytes));
    for (const auto& [key, of_client] : of_tenant.clients) {
      client.use = std::max<std::uint64_t>(client.use, of_client.jobs());
      client_bytes.use = std::max(client_bytes.use, mib_of(of_client.bytes));
    }
  }
  return {std::move(client),
          std::move(client_bytes),
          std::move(tenant),
          std::move(tenant_bytes),
          {at, "requests", limits_.jobs, waiting_, hits_.of_all},
          {at, "body_mib", mib_of(limits_.bytes), mib_of(bytes_), hits_.of_all}};
}

Status FairWorkers::start_thread_if_needed() {
  if (waiting_ < idle_ || threads_.size() >= max_threads_) return Done{};
  try {
    threads_.emplace_back([this] { run(); });
  } catch (const std::exception&) {
    if (threads_.empty()) return Error(Code::unavailable, "the agent can start no thread");
  }
  return Done{};
}

bool FairWorkers::stuck(std::chrono::milliseconds limit) const {
  const auto latest = Clock::now() - limit;
  const std::lock_guard lock(mutex_);
  return !begun_.empty() && *begun_.begin() < latest;
}

void FairWorkers::add(const Turn& turn, Job job) {
  if (tenants_.size() > kRemembered) forget_idle();
  Tenant& tenant = tenants_[turn.tenant];
  if (tenant.jobs == 0) tenant.used = std::max(tenant.used, floor_);
  if (tenant.clients.size() > kRemembered)
    std::erase_if(tenant.clients, [](const auto& one) { return one.second.jobs() == 0; });
  Client& client = tenant.clients[turn.client];
  if (client.jobs() == 0) client.used = std::max(client.used, tenant.floor);
  const std::size_t bytes = job.bytes;
  client.waiting.push_back(std::move(job));  // for which there may be no memory
  client.bytes += bytes;
  tenant.bytes += bytes;
  ++tenant.jobs;
  bytes_ += bytes;
  ++waiting_;
}

void FairWorkers::forget_idle() {
  std::erase_if(tenants_, [](const auto& tenant) { return tenant.second.jobs == 0; });
}

bool FairWorkers::may_run(const Client& client) const {
  return !client.waiting.empty() && (ending_ || client.running < std::max(1u, max_threads_ - 1));
}

bool FairWorkers::has_next() const {
  return waiting_ > 0 && std::ranges::any_of(tenants_, [&](const auto& tenant) {
           return std::ranges::any_of(tenant.second.clients,
                                      [&](const auto& one) { return may_run(one.second); });
         });
}

FairWorkers::Chosen FairWorkers::choose() {
  std::pair<const std::string, Tenant>* tenant = nullptr;
  std::pair<const std::string, Client>* client = nullptr;
  for (auto& of_tenant : tenants_) {
    if (tenant != nullptr && of_tenant.second.used >= tenant->second.used) continue;
    std::pair<const std::string, Client>* best = nullptr;
    for (auto& one : of_tenant.second.clients)
      if (may_run(one.second) && (best == nullptr || one.second.used < best->second.used)) best = &one;
    if (best == nullptr) continue;
    tenant = &of_tenant;
    client = best;
  }
  Turn turn{tenant->first, client->first};  // for which there may be no memory
  floor_ = std::max(floor_, tenant->second.used);
  tenant->second.floor = std::max(tenant->second.floor, client->second.used);
  Chosen chosen{
      .turn = std::move(turn), .job = std::move(client->second.waiting.front()), .charged = expected_};
  client->second.waiting.pop_front();
  ++client->second.running;
  --waiting_;
  tenant->second.used += chosen.charged;
  client->second.used += chosen.charged;
  return chosen;
}

void FairWorkers::done(const Chosen& chosen, Seconds took) {
  Tenant& tenant = tenants_.at(chosen.turn.tenant);
  Client& client = tenant.clients.at(chosen.turn.client);
  --client.running;
  client.bytes -= chosen.job.bytes;
  --tenant.jobs;
  tenant.bytes -= chosen.job.bytes;
  bytes_ -= chosen.job.bytes;
  tenant.used += took - chosen.charged;
  client.used += took - chosen.charged;
  expected_ += kNewest * (took - expected_);
}

void FairWorkers::run() {
  be_nice(niceness_);
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    changed_.wait(lock, [&] { return has_next() || (ending_ && waiting_ == 0); });
    --idle_;
    if (waiting_ == 0) return;
    const auto started = Clock::now();
    std::optional<Chosen> next;
    std::multiset<Clock::time_point>::iterator begun;
    try {
      begun = begun_.insert(started);
      try {
        next = choose();
      } catch (...) {
        begun_.erase(begun);
        throw;
      }
    } catch (const std::bad_alloc&) {
      changed_.wait_for(lock, kNoMemory);
      continue;
    }
    Chosen& chosen = *next;
    lock.unlock();
    try {
      chosen.job.work();
    } catch (const std::exception&) {
      log_error("a request was given up for want of memory");
    }
    chosen.job.work = nullptr;
    lock.lock();
    begun_.erase(begun);
    done(chosen, Clock::now() - started);
    // A job may be able to run now whose client had as many threads as it may.
    changed_.notify_all();
  }
}

}  // namespace coprotect::agent
