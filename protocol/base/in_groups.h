#pragma once

#include <string>
#include <string_view>

#include "protocol/base/bytes.h"

namespace coprotect {

// A key_id or fingerprint for people to compare: groups of four digits, eight per line, each line after
// `indent`.
std::string in_groups(ByteView digest, std::string_view indent);

}  // namespace coprotect
