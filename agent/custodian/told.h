#pragma once

#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace coprotect::agent::custodian {

// The text with each absolute path cut to its last name: where an agent's files lie is its operator's matter.
std::string without_paths(std::string_view text);

// What others are told of an error, in health too; the operator's log has the error itself. Without paths.
// That the token refuses its PIN is told as Code::locked_out: to a client, Code::wrong_code is about a code
// that its user typed.
Error told(const Error& error);

}  // namespace coprotect::agent::custodian
