#pragma once

#include <optional>
#include <string_view>

#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::client {

// The longest code, passphrase or PIN, in bytes.
inline constexpr std::size_t kMaxSecretLine = 1023;

// One line, without its newline, never in ordinary memory. Takes nothing that comes after it.
// Code::malformed if there is none or it is too long.
Result<Secret> read_secret_line(int fd);

// A line from the descriptor if there is one, otherwise typed at the terminal, which shows `prompt` but not
// what is typed. Code::unavailable if there is no terminal or the person gives up.
Result<Secret> ask_secret(std::string_view prompt, const std::optional<int>& fd);

}  // namespace coprotect::client
