#pragma once

#include <string>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::client {

// The error for an answer that is not 2xx: `denied: … (request 7f3a…)` with the code of a problem+json body
// (agent/API.md), or what the status implies if the body is something else. The remote text is shortened and
// stripped of control characters, because it is shown on a terminal.
Error read_problem(long status, ByteView body);

// Translates an agent's code for the client. Code::wrong_code means a code typed here. An agent that sends it
// means its own PIN, which is Code::locked_out here.
Code code_of_agent(Code code);

// read_problem() for the answer to a signed request. An agent signs every answer to such a request, so a
// problem document comes from an intermediary, or from an agent that could not read the request. It proves
// nothing: Code::unavailable, with its text.
Error read_unsigned_problem(long status, ByteView body);

// A remote text (UTF-8) that is safe to show: shortened, and passed through printable().
std::string shown(const std::string& text);

}  // namespace coprotect::client
