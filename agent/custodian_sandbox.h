#pragma once

#include "agent/config.h"
#include "agent/sandbox/sandbox.h"

namespace coprotect::agent {

// What is left to the process that holds the shares: the state of its folder to write, the rest of the folder
// and the TLS files to read, locked memory, and those that it has a channel to. So what the next start reads
// before it is confined is as the operator left it (docs/decisions/0026).
SandboxNeeds needs_of_custodian(const Config& config);

}  // namespace coprotect::agent
