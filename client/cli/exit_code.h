#pragma once

#include "protocol/base/result.h"

namespace coprotect::client {

// Tells whether a retry helps. The codes never change their meaning.
enum class ExitCode : int {
  done = 0,
  some_failed = 1,  // not all failed, or in different ways; or a file cannot be read or written
  usage = 2,
  refused = 3,      // by policy, or because certificate, bundle or key is not accepted
  unreachable = 4,  // an agent does not answer
  altered = 5,      // a file is not what its author encrypted, or is not encrypted
  pending = 6,      // an approval is outstanding
  wrong_code = 7,   // recovery code or passphrase
};

// For errors of agents, configuration, bundle or kit before a header is open.
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

// For a bundle or configuration. A missing one is a usage error.
constexpr ExitCode exit_code_of_bundle(Code code) {
  return code == Code::not_found || code == Code::malformed ? ExitCode::usage : exit_code_of_opening(code);
}

// For errors of the files themselves. An unreadable file must not look like an unreachable agent.
constexpr ExitCode exit_code_of_file(Code code) {
  return code == Code::altered || code == Code::malformed ? ExitCode::altered : ExitCode::some_failed;
}

}  // namespace coprotect::client
