#pragma once

#include "client/cli/options.h"
#include "client/cli/report.h"

namespace coprotect::client {

// `coprotect public-key [KEY]`: a joint public key as SubjectPublicKeyInfo in PEM, for a CA that is to issue
// an encryption certificate for it. docs/integrations.md says how.
ExitCode write_public_key(const Options& options, Report& report);

}  // namespace coprotect::client
