#pragma once

#include "agent/child_process.h"
#include "agent/config.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent {

// The command line of a coprotect-front that serves this configuration. Once started, it waits for two
// frames: its limits and its trust anchors.
std::vector<std::string> front_arguments(const std::filesystem::path& executable, const Config& config);

// Called from the thread that reads the channel. A call may be answered through the channel that comes with
// it, at any time, from any thread. If the front has ended by then, the answer is dropped.
struct FrontEvents {
  std::function<void(std::shared_ptr<ipc::Channel>, ipc::Call)> call;
  std::function<void(ipc::Ready)> ready;
  std::function<void(const std::shared_ptr<ipc::Channel>&, ipc::GivenUp)> given_up;
  std::function<void(const ipc::Usage&)> usage = [](const ipc::Usage&) {};
};

// Starts a coprotect-front. Kills it if it sends any other frame than these.
Result<std::unique_ptr<ChildProcess>> start_front(const std::vector<std::string>& arguments,
                                                  FrontEvents events);

}  // namespace coprotect::agent
