#pragma once

#include <string>
#include <utility>
#include <vector>

#include "protocol/base/secret.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {

// Everything that there is to know of a system's key and of a file encrypted to it, by name, from the agents'
// own shares: shares, key, partials, m, file key. What an attacker must not find. Fails with an exception.
std::vector<std::pair<std::string, Secret>> secrets_of(System& system, const std::filesystem::path& file);

}  // namespace coprotect::harness
