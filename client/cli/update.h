#pragma once

#include "client/cli/options.h"
#include "client/cli/report.h"

namespace coprotect::client {

// `coprotect update`: asks the agents which keys the company has now, and keeps what they say beside the
// configuration.
ExitCode update(const Options& options, Report& report);

}  // namespace coprotect::client
