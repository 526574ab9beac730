#pragma once

#include "client/cli/options.h"
#include "client/quorum.h"

namespace coprotect::client {

// Prepares to open files. Everyday: with the client's credentials and all agents of the configured key. With
// --recover: with the recovery share and any agents. The share comes from a kit, with the credentials in
// it, or from an agent. Newer bundles of the key replace the configured one; `warn` is called if that fails.
Result<Quorum> prepare_opening(const Options& options, HeldBundle::Warn warn = {});

// How to ask the key's agents: according to the command line, else to the configuration. Code::malformed if
// the key has no such agent.
Result<Via> find_via(const Options& options, const Via& configured, const protocol::Bundle& bundle);

// All agents of a key, asked with the client's own credentials.
Result<Quorum> everyday_quorum(const HeldBundle& bundle, std::shared_ptr<const Credentials> credentials,
                               const Options& options, const Config& config);

}  // namespace coprotect::client
