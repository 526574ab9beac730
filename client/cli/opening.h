#pragma once

#include "client/cli/options.h"
#include "client/quorum.h"

namespace coprotect::client {

// What opens files. Everyday: the client's credentials, and all agents of the configured key. With --recover:
// the recovery share, from a kit, with the credentials in it, or from an agent; and any agent.
Result<Quorum> prepare_opening(const Options& options);

// All agents of a key, asked with the client's own credentials.
Result<Quorum> everyday_quorum(const protocol::Bundle& bundle, std::shared_ptr<const Credentials> credentials,
                               const Options& options, const Config& config);

}  // namespace coprotect::client
