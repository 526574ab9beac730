#pragma once

#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace coprotect::agent::custodian {

// The text with each absolute path cut to its last name: the location of an agent's files concerns only its
// operator.
std::string without_paths(std::string_view text);

// What others are told about an error, also in health; only the operator's log has the full error. Removes
// paths. Reports a PIN that the token rejected as Code::locked_out, because to a client Code::wrong_code
// means a code that its user typed.
Error told(const Error& error);

}  // namespace coprotect::agent::custodian
