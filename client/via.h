#pragma once

#include <optional>
#include <string>

#include "protocol/base/result.h"

namespace coprotect::client {

// How a client reaches a key's agents: each directly, in parallel; or one agent, which forwards the request.
struct Via {
  bool chain = false;
  std::optional<std::string> first;  // with chain: the party that is asked; else the first in the key's order

  // "parallel", "chain" or "chain:PARTY". Code::malformed otherwise.
  static Result<Via> parse(std::string_view text);
};

}  // namespace coprotect::client
