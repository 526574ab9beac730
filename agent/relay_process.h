#pragma once

#include <filesystem>

#include "agent/child_process.h"
#include "agent/ipc/messages.h"

namespace coprotect::agent {

// Starts a coprotect-relay. Calls `forwarded` from the thread that reads its channel. Kills the relay if it
// sends anything but answers of peers.
Result<std::unique_ptr<ChildProcess>> start_relay(const std::filesystem::path& executable,
                                                  std::function<void(ipc::Forwarded)> forwarded);

}  // namespace coprotect::agent
