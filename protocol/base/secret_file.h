#pragma once

#include <string_view>

#include "protocol/base/result.h"

namespace coprotect {

// For a file that holds a secret, opened and not yet read: Code::malformed, with what to do, if others than
// its owner and its group may read it, or others than its owner may write it. A pipe has no such permissions.
Status is_kept_secret(int fd, std::string_view path);

}  // namespace coprotect
