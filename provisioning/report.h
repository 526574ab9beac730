#pragma once

#include <optional>
#include <string_view>

#include "protocol/base/result.h"

namespace coprotect::provisioning {

// The tool's exit codes. The numbers are the client's.
enum class Exit {
  done = 0,
  some_failed = 1,
  usage = 2,
  refused = 3,
  unreachable = 4,
  altered = 5,
  waiting = 6,
  wrong_code = 7
};
Exit exit_for(Code code);

// This error with a hint, which report() prints on its own line.
Error with_hint(Error error, std::string_view hint);

// The errors of a command that addresses all agents and continues after a failure.
class Failures {
 public:
  void add(const Error& why);  // the error names the agent
  bool none() const { return !first_; }
  // The first error's code, with all messages.
  Status status() const;

 private:
  std::optional<Error> first_;
};

// Prints "coprotect-provision: error: …" and the hint, if any, to stderr. Returns the exit status.
Exit report(const Error& error);

}  // namespace coprotect::provisioning
