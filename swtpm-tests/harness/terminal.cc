#include "swtpm-tests/harness/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <stdexcept>

namespace coprotect::harness {
namespace {

constexpr std::chrono::seconds kLimit{60};

int open_terminal() {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
    throw std::runtime_error("no pseudo-terminal");
  return terminal;
}

}  // namespace

OnTerminal::OnTerminal(const std::vector<std::string>& arguments)
    : terminal_(open_terminal()), device_(open(ptsname(terminal_), O_RDWR | O_NOCTTY | O_CLOEXEC)) {
  std::vector<std::string> command = {installed_program("setsid"), "--ctty"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  program_ = Daemon::spawn(command, {}, {{0, device_}, {1, device_}, {2, device_}});
}

OnTerminal::~OnTerminal() {
  close(device_);
  close(terminal_);
}

bool OnTerminal::look() {
  pollfd readable{terminal_, POLLIN, 0};
  if (poll(&readable, 1, 20) <= 0) return false;
  char buffer[4096];
  const ssize_t n = read(terminal_, buffer, sizeof buffer);
  if (n > 0) screen_.append(buffer, static_cast<std::size_t>(n));
  return n > 0;
}

bool OnTerminal::shows(std::string_view text) {
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  while (screen_.find(text) == std::string::npos) {
    const bool over = program_.ended() || std::chrono::steady_clock::now() >= deadline;
    if (!look() && over) return false;
  }
  return true;
}

void OnTerminal::type(std::string_view keys) const {
  if (write(terminal_, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size()))
    throw std::runtime_error("cannot type");
}

bool OnTerminal::echoes() const {
  termios settings{};
  return tcgetattr(device_, &settings) == 0 && (settings.c_lflag & ECHO) != 0;
}

int OnTerminal::end() {
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  while (!program_.ended() && std::chrono::steady_clock::now() < deadline) look();
  while (look()) {
  }
  const auto code = program_.exit_code();
  return code ? *code : program_.end(SIGKILL);
}

}  // namespace coprotect::harness
