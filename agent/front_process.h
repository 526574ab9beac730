#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/config.h"
#include "agent/ipc/channel.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent {

// The command line of a coprotect-front that serves this configuration.
std::vector<std::string> front_arguments(const std::filesystem::path& executable, const Config& config);

// A running coprotect-front and the channel to it. Killed, if it still runs, and reaped when the object goes.
class FrontProcess {
 public:
  // Called from the thread that reads the channel. A call is answered through the channel that comes with it,
  // at any time, from any thread; if the front is gone by then the answer goes nowhere.
  struct Events {
    std::function<void(std::shared_ptr<ipc::Channel>, ipc::Call)> call;
    std::function<void(ipc::Ready)> ready;
  };

  // Starts it with an empty environment and nothing open but its channel (descriptor 3) and stderr. It is
  // killed when the calling thread ends.
  static Result<std::unique_ptr<FrontProcess>> start(const std::vector<std::string>& arguments,
                                                     Events events);
  ~FrontProcess();

  pid_t pid() const { return pid_; }
  // Readable once the process has ended.
  int handle() const { return handle_.get(); }
  const std::shared_ptr<ipc::Channel>& channel() const { return channel_; }
  // Waits for its end. What happened to it, for the log: "ended with status 1", "was killed by signal 9".
  std::string reap();

 private:
  FrontProcess(pid_t pid, ipc::Fd handle, std::shared_ptr<ipc::Channel> channel)
      : pid_(pid), handle_(std::move(handle)), channel_(std::move(channel)) {}
  // Reads until the channel ends. A front that sends anything but calls and ready messages is killed.
  void read(const Events& events);

  pid_t pid_;  // −1 once reaped
  ipc::Fd handle_;
  std::shared_ptr<ipc::Channel> channel_;
  std::jthread reader_;
};

}  // namespace coprotect::agent
