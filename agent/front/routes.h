#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/ipc/messages.h"

namespace coprotect::agent::front {

// What a method and a path mean (agent/API.md).
struct Match {
  enum class Kind { found, no_such_path, wrong_method } kind;
  ipc::Route route{};      // if found
  std::string subject;     // if found: the {key_id}, {sid} or {tenant} of the path
  std::string_view allow;  // if wrong_method: the methods that the path knows
};

// Paths are compared as they stand: no decoding, no trailing slash, no empty segments.
Match match(std::string_view method, std::string_view path);

// Whether requests of this route have a body.
bool takes_body(ipc::Route route);

}  // namespace coprotect::agent::front
