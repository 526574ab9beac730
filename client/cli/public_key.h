#pragma once

#include "client/cli/options.h"
#include "client/cli/report.h"

namespace coprotect::client {

// `coprotect public-key [KEY]`: a joint public key as SubjectPublicKeyInfo in PEM, from which a CA can issue
// an encryption certificate. See docs/integrations.md.
ExitCode write_public_key(const Options& options, Report& report);

}  // namespace coprotect::client
