#pragma once

#include <string>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::client {

// The error behind an answer that is not 2xx: `denied: … (request 7f3a…)` with the code of a problem+json
// body (agent/API.md), or what the status says if the body is none. The text of the other side is shortened
// and freed of control characters, because it will be shown on a terminal.
Error read_problem(long status, ByteView body);

// The code of what an agent says, as it concerns the one who asked. Code::wrong_code is of a code that was
// typed here: an agent that says it speaks of its own PIN (Code::locked_out).
Code code_of_agent(Code code);

// As read_problem() for the answer to a signed request, which an agent signs whatever it says: a problem
// document comes from something on the way, or from an agent that could not read the request. It is no
// verdict: Code::unavailable, with what it says.
Error read_unsigned_problem(long status, ByteView body);

// Another side's text (UTF-8) as it may be shown: shortened, and as printable() gives it.
std::string shown(const std::string& text);

}  // namespace coprotect::client
