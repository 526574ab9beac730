#pragma once

#include "client/cli/options.h"
#include "client/quorum.h"

namespace coprotect::client {

// What opens files. Everyday: the client's credentials, and all agents of the configured key. With --recover:
// the recovery share, from a kit, with the credentials in it, or from an agent; and any agent. Newer bundles
// of the key are kept in place of the configured one; `warn` hears if that cannot be.
Result<Quorum> prepare_opening(const Options& options, HeldBundle::Warn warn = {});

// How the key's agents are asked: as the command line says, else the configuration. Code::malformed if the
// key has no such agent.
Result<Via> find_via(const Options& options, const Via& configured, const protocol::Bundle& bundle);

// All agents of a key, asked with the client's own credentials.
Result<Quorum> everyday_quorum(const HeldBundle& bundle, std::shared_ptr<const Credentials> credentials,
                               const Options& options, const Config& config);

}  // namespace coprotect::client
