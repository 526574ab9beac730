#pragma once

#include "client/cli/options.h"
#include "client/cli/report.h"

namespace coprotect::client {

// `coprotect rewrap`: gives files another key, the newest or the named one. Sends their headers to the agents
// as for decryption, and does not touch their bodies. Files that already have the key are left alone, so an
// interrupted run can be repeated unchanged.
ExitCode rewrap(const Options& options, Report& report);

}  // namespace coprotect::client
