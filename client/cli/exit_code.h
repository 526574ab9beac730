#pragma once

#include "protocol/base/result.h"

namespace coprotect::client {

// Tells whether trying again helps. They never change their meaning.
enum class ExitCode : int {
  done = 0,
  some_failed = 1,  // some only, or in different ways; or a file cannot be read or written
  usage = 2,
  refused = 3,      // by policy, or because certificate, bundle or key are not accepted
  unreachable = 4,  // an agent does not answer
  altered = 5,      // a file is not what its author encrypted, or not an encrypted file
  pending = 6,      // an approval is outstanding
  wrong_code = 7,   // recovery code or passphrase
};

// For errors on the way to an open header: of agents, configuration, bundle, kit.
constexpr ExitCode exit_code_of_opening(Code code) {
  switch (code) {
    case Code::unauthenticated:
    case Code::denied:
    case Code::replayed:
    case Code::stale:
    case Code::limited:
    case Code::locked_out:
      return ExitCode::refused;
    case Code::unavailable:
      return ExitCode::unreachable;
    case Code::altered:
    case Code::malformed:
      return ExitCode::altered;
    case Code::wrong_code:
      return ExitCode::wrong_code;
    case Code::not_found:
    case Code::conflict:
    case Code::bad_proof:
    case Code::internal:
      break;
  }
  return ExitCode::some_failed;
}

// For a bundle or configuration: one that is not there is a matter of how the command was called.
constexpr ExitCode exit_code_of_bundle(Code code) {
  return code == Code::not_found || code == Code::malformed ? ExitCode::usage : exit_code_of_opening(code);
}

// For errors with the files themselves: one that cannot be read is no agent that cannot be reached.
constexpr ExitCode exit_code_of_file(Code code) {
  return code == Code::altered || code == Code::malformed ? ExitCode::altered : ExitCode::some_failed;
}

}  // namespace coprotect::client
