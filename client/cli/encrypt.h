#pragma once

#include "client/cli/options.h"
#include "client/cli/report.h"

namespace coprotect::client {

// `coprotect encrypt`: needs the bundle but no network.
ExitCode encrypt(const Options& options, Report& report);

}  // namespace coprotect::client
