#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/chains.h"
#include "agent/config.h"
#include "agent/custodian/custodian.h"
#include "agent/exchanges.h"
#include "agent/kept_process.h"
#include "agent/workers.h"

namespace coprotect::agent {

// The running agent: keeps a front and a relay alive, lets worker threads answer the front's calls, carries
// chained requests between the two, and obeys signals. SIGTERM and SIGINT stop it once running requests are
// answered, SIGHUP makes front and relay load the TLS certificate again.
class Service {
 public:
  // `programs` is the folder of coprotect-front and coprotect-relay.
  Service(const Config& config, std::filesystem::path programs, custodian::Custodian& custodian);

  // Blocks signals in the calling thread and those that it starts. Before any thread is started.
  static Result<Fd> take_signals();
  // Returns when the service was stopped. Code::unavailable if the front never became ready.
  Status run(const Fd& signals);

 private:
  using Clock = std::chrono::steady_clock;

  Result<std::unique_ptr<ChildProcess>> make_front();
  Result<std::unique_ptr<ChildProcess>> make_relay();
  void send_trust();
  // The opened TLS certificate and key, as the frame that carries them.
  Status send_tls_files(ipc::Channel& channel) const;
  void answer(const std::shared_ptr<ipc::Channel>& channel, const ipc::Call& call,
              Clock::time_point received);
  void finish(const Chains::Waiting& waiting);
  void on_ready();
  void on_signal(int number);
  void reload();
  void stop();

  const Config& config_;
  const std::filesystem::path programs_;
  custodian::Custodian& custodian_;
  Chains chains_;
  Exchanges exchanges_;
  Workers workers_;  // and their jobs, which use those above

  std::mutex trust_mutex_;  // keeps an older trust from being sent after a newer one; guards trust_channel_
  std::shared_ptr<ipc::Channel> trust_channel_;

  Fd ready_event_;
  KeptProcess front_;
  KeptProcess relay_;
  bool was_ready_ = false;  // some front was ready once
  bool stopping_ = false;
  std::string not_erased_;  // as it was logged last
  Clock::time_point stop_deadline_{};
};

}  // namespace coprotect::agent
