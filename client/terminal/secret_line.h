#pragma once

#include <optional>
#include <string_view>

#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::client {

// The longest code, passphrase or PIN, in bytes.
inline constexpr std::size_t kMaxSecretLine = 1023;

// One line, without its newline, never in ordinary memory. Reads nothing beyond it. Code::malformed if there
// is no line or it is too long.
Result<Secret> read_secret_line(int fd);

// A line from the descriptor if given, else one typed at the terminal, which shows `prompt` but not the
// input. Code::unavailable if there is no terminal or the user gives up.
Result<Secret> ask_secret(std::string_view prompt, const std::optional<int>& fd);

}  // namespace coprotect::client
