#pragma once

#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace coprotect::agent::front {

// The HTTP status of a code (agent/API.md).
unsigned http_status(Code code);

// An RFC 9457 problem document. `status` differs from http_status() only for 405, 413 and 431 (agent/API.md).
std::string problem_json(const Error& error, unsigned status, std::string_view request_id);

}  // namespace coprotect::agent::front
