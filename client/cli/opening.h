#pragma once

#include "client/cli/options.h"
#include "client/quorum.h"

namespace coprotect::client {

// What opens files. Everyday: the client's credentials, and all agents of the configured key. With --recover:
// the recovery share, from a kit, with the credentials in it, or from an agent; and any agent.
Result<Quorum> prepare_opening(const Options& options);

}  // namespace coprotect::client
