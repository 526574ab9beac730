#pragma once

#include <memory>

#include "client/cli/options.h"
#include "client/quorum.h"

namespace coprotect::client {

// What opens files: a client's credentials, or those out of a recovery kit, and the agents of the key.
struct Opening {
  std::unique_ptr<Credentials> credentials;  // the quorum refers to them
  std::unique_ptr<Quorum> quorum;
};

// Everyday: all agents of the configured key. With --recover: the recovery share, from a kit or an agent, and
// any agent.
Result<Opening> prepare_opening(const Options& options);

}  // namespace coprotect::client
