#pragma once

#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace coprotect::agent::front {

// The HTTP status of a code, as agent/API.md gives it.
unsigned http_status(Code code);

// An RFC 9457 problem document. `status` differs from http_status() only where API.md says so (405, 413,
// 431).
std::string problem_json(const Error& error, unsigned status, std::string_view request_id);

}  // namespace coprotect::agent::front
