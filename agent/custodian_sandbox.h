#pragma once

#include "agent/config.h"
#include "agent/sandbox/sandbox.h"

namespace coprotect::agent {

// What the process that holds the shares may still access: it writes the state in its folder; it reads the
// rest of the folder and the TLS files; it may lock memory, and use its open channels. It cannot change the
// files that the next start reads before it is confined (docs/decisions/0026).
SandboxNeeds needs_of_custodian(const Config& config);

}  // namespace coprotect::agent
