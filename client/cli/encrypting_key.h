#pragma once

#include "client/cli/options.h"

namespace coprotect::client {

// The key with which files are encrypted: the newest one that encrypts, according to the stored key list. A
// bundle or key_id on the command line overrides that. Code::denied if the list says that the key must not,
// or no key may, encrypt. Agents are asked only for a bundle that the list names and the client lacks.
Result<protocol::Bundle> encrypting_key(const Options& options, const std::optional<Config>& config);

// Code::denied if the list says that this key does not encrypt.
Status check_encrypts(const KeyStore& store, const protocol::KeyId& key_id);

}  // namespace coprotect::client
