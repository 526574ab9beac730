#include <csignal>
#include <exception>
#include <iostream>

#include "protocol/base/arena.h"
#include "provisioning/cli.h"

int main(int argc, char** argv) {
  using coprotect::provisioning::Exit;
  // An agent that hangs up, and a limit on file sizes, are then errors of one call.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const auto locked = coprotect::locked_memory::install();
  if (!locked) return static_cast<int>(coprotect::provisioning::report(locked.error()));
  try {
    const auto exit = coprotect::provisioning::run_command_line(argc, argv);
    if (std::cout.flush()) return static_cast<int>(exit);
    std::cerr << "coprotect-provision: error: standard output cannot be written: what it has is not all\n";
    return static_cast<int>(exit == Exit::done ? Exit::some_failed : exit);
  } catch (const std::exception& error) {
    std::cerr << "coprotect-provision: error: " << error.what() << '\n';
    return static_cast<int>(Exit::some_failed);
  }
}
