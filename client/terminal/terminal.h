#pragma once

#include <string_view>

#include "client/files/fd.h"
#include "protocol/base/secret.h"

namespace coprotect::client {

// The controlling terminal, independent of stdin and stdout.
class Terminal {
 public:
  // Code::unavailable if the process has none.
  static Result<Terminal> open(const char* device = "/dev/tty");

  // Reads a line without echo. Code::unavailable after Control-C or end of input. Code::malformed for more
  // than kMaxSecretLine bytes.
  Result<Secret> read_hidden(std::string_view prompt) const;
  // Shows a secret until Enter is pressed, then erases it from the screen.
  Status show_once(std::string_view title, const Secret& secret, std::string_view prompt) const;

 private:
  explicit Terminal(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace coprotect::client
