#pragma once

#include <optional>
#include <string_view>

#include "protocol/base/result.h"

namespace coprotect::provisioning {

// What the tool exits with; the same numbers as the client's.
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

// This error with a hint, which report() puts on a line of its own.
Error with_hint(Error error, std::string_view hint);

// What agents answered to a command that speaks to all of them, whichever fails on the way.
class Failures {
 public:
  void add(const Error& why);  // which names the agent
  bool none() const { return !first_; }
  // The first error's code, with what all said.
  Status status() const;

 private:
  std::optional<Error> first_;
};

// Prints "coprotect-provision: error: …" and the hint, if there is one, to stderr and gives the exit status.
Exit report(const Error& error);

}  // namespace coprotect::provisioning
