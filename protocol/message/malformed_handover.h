#pragma once

#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace coprotect::protocol {

// The error for a malformed message of a handover (SPEC.md §13.6). `what` names the message, with its
// article.
inline Error malformed_handover(std::string_view what) {
  return {Code::malformed, "handover: not " + std::string(what) + " of version 1"};
}

}  // namespace coprotect::protocol
