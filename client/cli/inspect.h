#pragma once

#include "client/cli/options.h"
#include "client/cli/report.h"

namespace coprotect::client {

// `coprotect inspect`: shows what an encrypted file says about itself, without opening it.
ExitCode inspect(const Options& options, Report& report);

}  // namespace coprotect::client
