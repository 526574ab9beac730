#pragma once

#include <string>
#include <vector>

#include "swtpm-tests/harness/process.h"

namespace coprotect::harness {

// A program with its own terminal, on which the test types and reads.
class OnTerminal {
 public:
  explicit OnTerminal(const std::vector<std::string>& arguments);
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;
  ~OnTerminal();

  // Waits until the terminal shows this. False if it does not within 60 s, or the program ends first.
  bool shows(std::string_view text);
  void type(std::string_view keys) const;
  // Whether the terminal echoes input.
  bool echoes() const;
  // Waits for the program's end. Returns its exit code.
  int end();
  // Everything that was ever shown.
  const std::string& screen() const { return screen_; }

 private:
  bool look();

  int terminal_;  // the test's side
  int device_;    // the program's side, kept so that its settings outlive the program
  Daemon program_;
  std::string screen_;
};

}  // namespace coprotect::harness
