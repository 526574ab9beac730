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

// A running process of the agent, front or relay, and the channel to it. Killed, if it still runs, and reaped
// when the object goes.
class ChildProcess {
 public:
  // Called with each frame, from the thread that reads the channel; false if it is not what this process may
  // send.
  using Take = std::function<bool(const std::shared_ptr<ipc::Channel>&, ByteView frame)>;

  // Starts it with an empty environment and nothing open but its channel (descriptor 3) and stderr. It is
  // killed when the calling thread ends. `name` is what the log calls it: "front".
  static Result<std::unique_ptr<ChildProcess>> start(std::string name,
                                                     const std::vector<std::string>& arguments, Take take);
  ~ChildProcess();

  // How a process shows that it does not hang.
  struct Pings {
    std::chrono::milliseconds every{5'000};
    std::chrono::milliseconds answered_within{30'000};
  };
  // From now on it is sent pings, and killed (SIGKILL) if it does not answer one in time. Once, after the
  // frames that it expects first.
  Status ping(const Pings& pings);
  std::uint64_t answered_pings() const { return answered_pings_; }

  pid_t pid() const { return process_.pid; }
  // Readable once the process has ended.
  int handle() const { return process_.handle.get(); }
  const std::shared_ptr<ipc::Channel>& channel() const { return channel_; }
  // Waits for its end. What happened to it, for the log: "ended with status 1", "was killed by signal 9".
  std::string reap();

 private:
  ChildProcess(std::string name, hsm::Spawned process, std::shared_ptr<ipc::Channel> channel)
      : name_(std::move(name)), process_(std::move(process)), channel_(std::move(channel)) {}
  // Reads until the channel ends. A process that sends anything but what it may is killed.
  void read(const Take& take);
  bool read_one(const Take& take);
  void kill();
  void run_pings(const std::stop_token& stop, const Pings& pings);
  // False if the frame is not the answer to the ping that was sent last.
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
