#pragma once

#include <string>
#include <vector>

#include "swtpm-tests/harness/process.h"

namespace coprotect::harness {

// A program with a terminal of its own, somebody's hands at it and somebody's eyes on it.
class OnTerminal {
 public:
  explicit OnTerminal(const std::vector<std::string>& arguments);
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;
  ~OnTerminal();

  // Waits until the terminal shows this; false if it has not after 60 s, or the program ended before.
  bool shows(std::string_view text);
  void type(std::string_view keys) const;
  // Whether the terminal shows what is typed.
  bool echoes() const;
  // Waits for the program's end; its exit code.
  int end();
  // All that was ever shown.
  const std::string& screen() const { return screen_; }

 private:
  bool look();

  int terminal_;  // the hands' and eyes' side
  int device_;    // the program's side, kept so that its settings outlive the program
  Daemon program_;
  std::string screen_;
};

}  // namespace coprotect::harness
