#pragma once

#include "client/cli/options.h"
#include "client/quorum.h"

namespace coprotect::client {

// What opens files. Everyday: the client's credentials, and all agents of the configured key. With --recover:
// the recovery share, from a kit, with the credentials in it, or from an agent; and any agent. Newer bundles
// of the key are kept in place of the configured one; `warn` hears if that cannot be.
Result<Quorum> prepare_opening(const Options& options, HeldBundle::Warn warn = {});

}  // namespace coprotect::client
