#pragma once

#include "client/cli/options.h"
#include "client/cli/report.h"

namespace coprotect::client {

// `coprotect update`: asks the agents for the company's present keys, and stores their answers beside the
// configuration.
ExitCode update(const Options& options, Report& report);

}  // namespace coprotect::client
