#pragma once

#include "client/cli/options.h"
#include "client/cli/report.h"

namespace coprotect::client {

// `coprotect rewrap`: gives files another key, the newest one or the one that is named. Their headers go to
// the agents like those of files that are decrypted; their bodies are not touched. Files that have the key
// already are left alone, so that a run that was interrupted is repeated as it is.
ExitCode rewrap(const Options& options, Report& report);

}  // namespace coprotect::client
