#pragma once

#include <stdexcept>
#include <string>

#include "protocol/base/result.h"

namespace coprotect {

// Returns the value, or ends the test with the error's message.
template <typename T>
T must(Result<T> result) {
  if (!result)
    throw std::runtime_error(std::string(code_name(result.error().code())) + ": " + result.error().message());
  return *std::move(result);
}

}  // namespace coprotect
