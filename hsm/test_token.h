#pragma once

#include <string>
#include <utility>

#include "hsm/token.h"

// Shared by the tests of tokens.
namespace coprotect::hsm {

// This token, through the helper of this build.
inline Token token_at(std::string uri) {
  return Token({.uri = std::move(uri), .helper = COPROTECT_TOKEN});
}

// Why the key was not unsealed; Code::internal if it was.
inline Code code_of(const Result<Secret>& result) {
  return result ? Code::internal : result.error().code();
}

}  // namespace coprotect::hsm
