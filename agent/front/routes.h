#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/ipc/messages.h"

namespace coprotect::agent::front {

// The endpoint for a method and a path (agent/API.md).
struct Match {
  enum class Kind { found, no_such_path, wrong_method } kind;
  ipc::Route route{};      // if found
  std::string subject;     // if found: {key_id}, {sid} or {tenant} from the path
  std::string_view allow;  // if wrong_method: the methods that the path allows
};

// Compares paths exactly: no decoding, no trailing slash, no empty segments.
Match match(std::string_view method, std::string_view path);

// Whether requests of this route have a body.
bool takes_body(ipc::Route route);

}  // namespace coprotect::agent::front
