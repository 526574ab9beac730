#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/ipc/channel.h"

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

  pid_t pid() const { return pid_; }
  // Readable once the process has ended.
  int handle() const { return handle_.get(); }
  const std::shared_ptr<ipc::Channel>& channel() const { return channel_; }
  // Waits for its end. What happened to it, for the log: "ended with status 1", "was killed by signal 9".
  std::string reap();

 private:
  ChildProcess(std::string name, pid_t pid, Fd handle, std::shared_ptr<ipc::Channel> channel)
      : name_(std::move(name)), pid_(pid), handle_(std::move(handle)), channel_(std::move(channel)) {}
  // Reads until the channel ends. A process that sends anything but what it may is killed.
  void read(const Take& take);

  std::string name_;
  pid_t pid_;  // −1 once reaped
  Fd handle_;
  std::shared_ptr<ipc::Channel> channel_;
  std::jthread reader_;
};

}  // namespace coprotect::agent
