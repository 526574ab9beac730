#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "agent/ipc/channel.h"
#include "hsm/spawn.h"

namespace coprotect::agent {

// A running child of the agent, front or relay, and the channel to it. The destructor kills the process if it
// still runs, and reaps it.
class ChildProcess {
 public:
  // Called with each frame from the thread that reads the channel. Returns false if this process may not send
  // such a frame.
  using Take = std::function<bool(const std::shared_ptr<ipc::Channel>&, ByteView frame)>;

  // Starts the process with an empty environment and no open descriptors except its channel (3) and stderr.
  // The process is killed when the calling thread ends. `name` is its name in the log, for example "front".
  static Result<std::unique_ptr<ChildProcess>> start(std::string name,
                                                     const std::vector<std::string>& arguments, Take take);
  ~ChildProcess();

  // How a process proves that it does not hang.
  struct Pings {
    std::chrono::milliseconds every{5'000};
    std::chrono::milliseconds answered_within{30'000};
  };
  // Starts sending pings. Kills the process (SIGKILL) if it does not answer one in time. Call once, after
  // sending the frames that the process expects first.
  Status ping(const Pings& pings);
  std::uint64_t answered_pings() const { return answered_pings_; }

  pid_t pid() const { return process_.pid; }
  // Readable once the process has ended.
  int handle() const { return process_.handle.get(); }
  const std::shared_ptr<ipc::Channel>& channel() const { return channel_; }
  // Waits for the process to end. Returns how it ended, for the log: "ended with status 1", "was killed by
  // signal 9".
  std::string reap();

 private:
  ChildProcess(std::string name, hsm::Spawned process, std::shared_ptr<ipc::Channel> channel)
      : name_(std::move(name)), process_(std::move(process)), channel_(std::move(channel)) {}
  // Reads until the channel ends. Kills a process that sends a frame it may not send.
  void read(const Take& take);
  bool read_one(const Take& take);
  void kill();
  void run_pings(const std::stop_token& stop, const Pings& pings);
  // False if the frame does not answer the last ping.
  bool take_pong(ByteView frame);

  std::string name_;
  hsm::Spawned process_;
  std::mutex end_mutex_;
  bool reaped_ = false;
  std::shared_ptr<ipc::Channel> channel_;
  std::mutex ping_mutex_;  // guards the next two
  std::condition_variable_any pong_came_;
  std::optional<std::uint64_t> awaited_;
  std::atomic<std::uint64_t> answered_pings_ = 0;
  std::jthread reader_;
  std::jthread pinger_;
};

}  // namespace coprotect::agent
