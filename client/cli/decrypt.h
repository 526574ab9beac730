#pragma once

#include "client/cli/options.h"
#include "client/cli/report.h"

namespace coprotect::client {

// `coprotect decrypt`: sends the headers to the agents in batches, and decrypts the bodies locally.
ExitCode decrypt(const Options& options, Report& report);

}  // namespace coprotect::client
