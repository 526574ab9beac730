#pragma once

#include <optional>
#include <string>

#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::client {

// A line of at most 1 024 bytes that is secret: from the descriptor, or typed at the terminal, where it is
// not shown. It is never in ordinary memory. Code::unavailable if there is no terminal, or nothing comes.
Result<Secret> ask_secret(const std::string& question, const std::optional<int>& fd);

}  // namespace coprotect::client
