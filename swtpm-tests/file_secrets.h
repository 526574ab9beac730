#pragma once

#include <map>
#include <span>
#include <string>

#include "protocol/base/secret.h"
#include "swtpm-tests/share_of.h"

namespace coprotect::harness {

// Everything that must not be known of a file whose header and first bytes these are, by its name: the
// partials, m, the file key, the body's key and its round keys. Fails with an exception.
std::map<std::string, Secret> secrets_of_file(ByteView front, std::span<const AgentShare> shares);

}  // namespace coprotect::harness
