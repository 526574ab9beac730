#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/callers.h"
#include "agent/chains.h"
#include "agent/config.h"
#include "agent/custodian/custodian.h"
#include "agent/exchanges.h"
#include "agent/fair_workers.h"
#include "agent/kept_process.h"
#include "agent/limit_report.h"
#include "agent/starter/starter.h"
#include "agent/status_report.h"
#include "agent/workers.h"

namespace coprotect::agent {

// The running agent: keeps a front and a relay alive, lets worker threads answer the front's calls, carries
// chained requests between the two, and obeys signals. SIGTERM and SIGINT stop it once running requests are
// answered, SIGHUP makes front and relay load the TLS certificate again, and the front its limits; if one of
// them does not run, its next life has both. SIGUSR1 has the use of the limits written into the log.
class Service {
 public:
  // `programs` is the folder of coprotect-front and coprotect-relay. The service ends if it loses the
  // starter.
  Service(const Config& config, std::filesystem::path programs, custodian::Custodian& custodian,
          const Starter& starter);

  // Blocks signals in the calling thread and those that it starts. Before any thread is started.
  static Result<Fd> take_signals();
  // Returns when the service was stopped. Code::unavailable if the front never became ready.
  Status run(const Fd& signals);

 private:
  using Clock = std::chrono::steady_clock;

  Result<std::unique_ptr<ChildProcess>> make_front();
  Result<std::unique_ptr<ChildProcess>> make_relay();
  ChildProcess::Pings pings() const;
  void send_trust();
  // The [limits] of agent.toml as they are now; those that were read before stay if it cannot be read, or if
  // the front could not keep the new ones.
  void reload_limits();
  // Queues a call of the front's, or refuses it.
  void take(std::shared_ptr<ipc::Channel> channel, ipc::Call call);
  std::optional<Status> turn(const Fd& signals);
  custodian::Answer answer_of(const ipc::Call& call, const Interest& caller);
  void answer(const std::shared_ptr<ipc::Channel>& channel, const ipc::Call& call, Clock::time_point received,
              const Interest& caller);
  void finish(const Chains::Waiting& waiting);
  void on_ready();
  void on_signal(int number);
  void reload();
  void stop();
  // How much of the limits that the front does not keep is in use.
  std::vector<LimitUse> uses_of_own() const;
  // What the custodian forgets and erases, once a second: in a thread of its own, since the token may hang.
  void sweep_custodian(const std::stop_token& stop);
  // Tells the service manager that this process is at work; not if one of its threads hangs.
  void feed_watchdog();

  const Config& config_;
  Config::Limits limits_;  // as they were read last; used by the thread of run()
  const std::filesystem::path programs_;
  custodian::Custodian& custodian_;
  const Starter& starter_;
  Callers callers_;
  Chains chains_;
  Exchanges exchanges_;
  Workers peers_workers_;  // and their jobs, which use those above
  // Each kind of work has threads of its own: what takes long must not keep what is short, and whoever asks
  // how the agent is shall hear it when nothing else is answered.
  FairWorkers short_;
  FairWorkers long_;
  FairWorkers health_;

  std::mutex trust_mutex_;  // keeps an older trust from being sent after a newer one; guards trust_channel_
  std::shared_ptr<ipc::Channel> trust_channel_;

  LimitReport limit_report_;
  StatusReport status_report_;

  Fd ready_event_;
  KeptProcess front_;
  KeptProcess relay_;
  bool was_ready_ = false;  // some front was ready once
  bool stopping_ = false;
  Clock::time_point stop_deadline_{};
  std::atomic<Clock::time_point> swept_ = Clock::now();  // the custodian
  const std::optional<std::chrono::microseconds> watchdog_;
  Clock::time_point fed_{};
};

}  // namespace coprotect::agent
