#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/custodian/custodian.h"
#include "agent/front_process.h"
#include "agent/workers.h"

namespace coprotect::agent {

// The running agent: keeps a front alive, lets worker threads answer its calls, and obeys signals. SIGTERM
// and SIGINT stop it once running requests are answered, SIGHUP makes the front load its certificate again.
class Service {
 public:
  // `front` is the coprotect-front executable.
  Service(const Config& config, std::filesystem::path front, custodian::Custodian& custodian);

  // Blocks signals in the calling thread and those that it starts. Before any thread is started.
  static Result<ipc::Fd> take_signals();
  // Returns when the service was stopped. Code::unavailable if the front never became ready.
  Status run(const ipc::Fd& signals);

 private:
  using Clock = std::chrono::steady_clock;

  Status start_front();
  void front_ended();
  void restart_front_when_due();
  void send_trust();
  void answer(const std::shared_ptr<ipc::Channel>& channel, const ipc::Call& call,
              Clock::time_point received);
  void on_ready();
  void on_signal(int number);
  void reload();
  void stop();

  const Config& config_;
  const std::filesystem::path front_executable_;
  custodian::Custodian& custodian_;
  Workers workers_;

  std::mutex trust_mutex_;  // keeps an older trust from being sent after a newer one; guards trust_channel_
  std::shared_ptr<ipc::Channel> trust_channel_;

  ipc::Fd ready_event_;
  std::unique_ptr<FrontProcess> front_;
  bool was_ready_ = false;  // some front was ready once
  Clock::time_point front_started_{};
  Clock::time_point restart_at_{};  // while there is no front
  std::chrono::milliseconds backoff_;
  bool stopping_ = false;
  Clock::time_point stop_deadline_{};
};

}  // namespace coprotect::agent
