#include "client/terminal/terminal.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "client/terminal/secret_line.h"

namespace coprotect::client {
namespace {

constexpr std::uint8_t kInterrupt = 0x03;
constexpr std::uint8_t kEndOfInput = 0x04;
constexpr std::uint8_t kBackspace = 0x08;
constexpr std::uint8_t kKillLine = 0x15;
constexpr std::uint8_t kDelete = 0x7f;

// If the terminal has gone, the next read will notice.
void put(int fd, ByteView text) {
  static_cast<void>(write_all(fd, text));
}

// Disables echo, signals and line editing during its lifetime. If Control-C ended the process here, the shell
// would be left without echo.
class QuietMode {
 public:
  explicit QuietMode(int fd) : fd_(fd), active_(tcgetattr(fd, &before_) == 0) {
    if (!active_) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ISIG | ICANON);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    active_ = tcsetattr(fd, TCSAFLUSH, &quiet) == 0;
  }
  QuietMode(const QuietMode&) = delete;
  QuietMode& operator=(const QuietMode&) = delete;
  ~QuietMode() {
    if (active_) tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  bool active() const { return active_; }

 private:
  int fd_;
  termios before_{};
  bool active_;
};

}  // namespace

Result<Terminal> Terminal::open(const char* device) {
  Fd fd(::open(device, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!fd)
    return Error(Code::unavailable,
                 "no terminal to ask on\ngive the secret through a file descriptor; see --help");
  return Terminal(std::move(fd));
}

Result<Secret> Terminal::read_hidden(std::string_view prompt) const {
  const QuietMode quiet(fd_.get());
  if (!quiet.active()) return Error(Code::unavailable, "cannot turn the terminal's echo off");
  put(fd_.get(), bytes_of(prompt));
  Secret line(kMaxSecretLine);
  Secret next(1);
  std::size_t size = 0;
  for (;;) {
    const ssize_t n = read(fd_.get(), next.fill().data(), 1);
    if (n < 0 && errno == EINTR) continue;
    const std::uint8_t key = next.reveal()[0];
    if (n <= 0 || key == kInterrupt || key == kEndOfInput) {
      put(fd_.get(), bytes_of("\n"));
      return Error(Code::unavailable, "given up at the terminal");
    }
    if (key == '\n' || key == '\r') break;
    if (key == kBackspace || key == kDelete) {
      size -= size > 0 ? 1 : 0;
    } else if (key == kKillLine) {
      size = 0;
    } else {
      if (size < kMaxSecretLine) line.fill()[size] = key;
      ++size;
    }
  }
  put(fd_.get(), bytes_of("\n"));
  if (size > kMaxSecretLine) return Error(Code::malformed, "what was typed is too long");
  return Secret::copy_of(line.reveal().first(size));
}

Status Terminal::show_once(std::string_view title, const Secret& secret, std::string_view prompt) const {
  put(fd_.get(), bytes_of("\n"));
  put(fd_.get(), bytes_of(title));
  put(fd_.get(), bytes_of("\n\n    "));
  put(fd_.get(), secret.reveal());
  put(fd_.get(), bytes_of("\n\n"));
  auto pressed = read_hidden(prompt);
  // Moves up over prompt, empty line and secret, and erases to the end of the screen (ECMA-48 CUU, ED).
  put(fd_.get(), bytes_of("\x1b[3A\r\x1b[J"));
  if (!pressed) return std::move(pressed).error();
  return Done{};
}

}  // namespace coprotect::client
