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

// The running agent. It keeps a front and a relay alive, lets worker threads answer the front's calls,
// carries chained requests between front and relay, and handles signals. SIGTERM and SIGINT stop it after
// running requests are answered. SIGHUP makes front and relay reload the TLS certificate, and the front its
// limits; one that is not running gets both at its next start. SIGUSR1 writes the use of the limits to the
// log.
class Service {
 public:
  // `programs` is the folder of coprotect-front and coprotect-relay. The service ends if the starter does.
  Service(const Config& config, std::filesystem::path programs, custodian::Custodian& custodian,
          const Starter& starter);

  // Blocks signals in the calling thread and the threads it starts. Call before any thread is started.
  static Result<Fd> take_signals();
  // Returns when the service has stopped. Code::unavailable if the front never became ready.
  Status run(const Fd& signals);

 private:
  using Clock = std::chrono::steady_clock;

  Result<std::unique_ptr<ChildProcess>> make_front();
  Result<std::unique_ptr<ChildProcess>> make_relay();
  ChildProcess::Pings pings() const;
  void send_trust();
  // Rereads [limits] of agent.toml. Keeps the previous limits if the file cannot be read or the front could
  // not enforce the new ones.
  void reload_limits();
  // Queues a call from the front, or refuses it.
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
  // How much is in use of the limits that the front does not enforce.
  std::vector<LimitUse> uses_of_own() const;
  // Runs the custodian's sweep once a second, in a thread of its own because the token may hang.
  void sweep_custodian(const std::stop_token& stop);
  // Tells the service manager that this process is alive, unless one of its threads hangs.
  void feed_watchdog();

  const Config& config_;
  Config::Limits limits_;  // as last read; used by the thread of run()
  const std::filesystem::path programs_;
  custodian::Custodian& custodian_;
  const Starter& starter_;
  Callers callers_;
  Chains chains_;
  Exchanges exchanges_;
  Workers peers_workers_;  // its jobs use the members above
  // Each kind of work has its own threads. Long jobs must not delay short ones, and health must be answered
  // even when nothing else is.
  FairWorkers short_;
  FairWorkers long_;
  FairWorkers health_;

  std::mutex trust_mutex_;  // orders the sending of trust anchors; guards trust_channel_
  std::shared_ptr<ipc::Channel> trust_channel_;

  LimitReport limit_report_;
  StatusReport status_report_;

  Fd ready_event_;
  KeptProcess front_;
  KeptProcess relay_;
  bool was_ready_ = false;  // a front has been ready
  bool stopping_ = false;
  Clock::time_point stop_deadline_{};
  std::atomic<Clock::time_point> swept_ = Clock::now();  // the custodian's last sweep
  const std::optional<std::chrono::microseconds> watchdog_;
  Clock::time_point fed_{};
};

}  // namespace coprotect::agent
