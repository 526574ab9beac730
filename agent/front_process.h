#pragma once

#include "agent/child_process.h"
#include "agent/config.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent {

// The command line of a coprotect-front that serves this configuration. It then waits for two frames, its
// limits and whom to trust.
std::vector<std::string> front_arguments(const std::filesystem::path& executable, const Config& config);

// Called from the thread that reads the channel. A call is answered through the channel that comes with it,
// at any time, from any thread; if the front is gone by then the answer goes nowhere.
struct FrontEvents {
  std::function<void(std::shared_ptr<ipc::Channel>, ipc::Call)> call;
  std::function<void(ipc::Ready)> ready;
  std::function<void(const std::shared_ptr<ipc::Channel>&, ipc::GivenUp)> given_up;
  std::function<void(const ipc::Usage&)> usage = [](const ipc::Usage&) {};
};

// Starts a coprotect-front. It is ended if it sends anything else than these.
Result<std::unique_ptr<ChildProcess>> start_front(const std::vector<std::string>& arguments,
                                                  FrontEvents events);

}  // namespace coprotect::agent
