#pragma once

#include <string_view>

#include "protocol/base/result.h"

namespace coprotect {

// Checks the permissions of an open file that holds a secret, before it is read. Code::malformed, with a
// remedy, if users other than its owner and group may read it or users other than its owner may write it. A
// pipe has no such permissions.
Status is_kept_secret(int fd, std::string_view path);

}  // namespace coprotect
