#pragma once

#include <string_view>

#include "provisioning/durable.h"

namespace coprotect::provisioning {

// The controlling terminal, whatever stdin and stdout are.
class Terminal {
 public:
  // Code::unavailable if the process has none.
  static Result<Terminal> open(const char* device = "/dev/tty");

  // A line that is not echoed. Control-C and end of input are Code::unavailable.
  Result<Secret> read_hidden(std::string_view prompt) const;
  // Shows a secret until Enter is pressed and then takes it off the screen.
  Status show_once(std::string_view title, const Secret& secret, std::string_view prompt) const;

 private:
  explicit Terminal(client::Fd fd) : fd_(std::move(fd)) {}
  client::Fd fd_;
};

}  // namespace coprotect::provisioning
