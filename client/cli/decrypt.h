#pragma once

#include "client/cli/options.h"
#include "client/cli/report.h"

namespace coprotect::client {

// `coprotect decrypt`: the headers go to the agents in batches, the bodies are opened here.
ExitCode decrypt(const Options& options, Report& report);

}  // namespace coprotect::client
