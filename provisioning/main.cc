#include <csignal>
#include <exception>
#include <iostream>

#include "protocol/base/arena.h"
#include "provisioning/cli.h"

int main(int argc, char** argv) {
  using coprotect::provisioning::Exit;
  const auto locked = coprotect::locked_memory::install();
  if (!locked) return static_cast<int>(coprotect::provisioning::report(locked.error()));
  std::signal(SIGPIPE, SIG_IGN);  // an agent that hangs up is an error of one call
  try {
    return static_cast<int>(coprotect::provisioning::run_command_line(argc, argv));
  } catch (const std::exception& error) {
    std::cerr << "coprotect-provision: error: " << error.what() << '\n';
    return static_cast<int>(Exit::some_failed);
  }
}
