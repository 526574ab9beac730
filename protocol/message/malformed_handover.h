#pragma once

#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace coprotect::protocol {

// A message around a handover (SPEC.md §13.6) that is not of its form; `what` says which, with its article.
inline Error malformed_handover(std::string_view what) {
  return {Code::malformed, "handover: not " + std::string(what) + " of version 1"};
}

}  // namespace coprotect::protocol
