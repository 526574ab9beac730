#pragma once

#include <string_view>

#include "client/files/fd.h"
#include "protocol/base/secret.h"

namespace coprotect::client {

// The controlling terminal, whatever stdin and stdout are.
class Terminal {
 public:
  // Code::unavailable if the process has none.
  static Result<Terminal> open(const char* device = "/dev/tty");

  // A line that is not echoed. Control-C and end of input are Code::unavailable; more than kMaxSecretLine
  // bytes are Code::malformed.
  Result<Secret> read_hidden(std::string_view prompt) const;
  // Shows a secret until Enter is pressed and then takes it off the screen.
  Status show_once(std::string_view title, const Secret& secret, std::string_view prompt) const;

 private:
  explicit Terminal(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace coprotect::client
