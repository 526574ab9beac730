#pragma once

#include "client/cli/options.h"

namespace coprotect::client {

// The key that files are encrypted with: the newest one that encrypts, as the stored key list says. A bundle
// or key_id on the command line is taken as it is named. Code::denied if the list says that the key, or any
// key, is not to encrypt. The agents are asked only for a bundle that the list names and that is not here.
Result<protocol::Bundle> encrypting_key(const Options& options, const std::optional<Config>& config);

// Code::denied if the list says that this key does not encrypt.
Status check_encrypts(const KeyStore& store, const protocol::KeyId& key_id);

}  // namespace coprotect::client
