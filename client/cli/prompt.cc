#include "client/cli/prompt.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "client/files/fd.h"

namespace coprotect::client {
namespace {

constexpr std::size_t kMaxLine = 1024;

// Byte by byte: what follows the line is for somebody else.
Result<Secret> read_line(int fd) {
  Secret line(kMaxLine);
  std::size_t size = 0;
  for (;;) {
    Secret next(1);
    const auto got = read_full(fd, next.fill());
    if (!got) return Error(got.error());
    const std::uint8_t byte = next.reveal()[0];
    if (*got == 0 && size == 0) return Error(Code::unavailable, "nothing was entered");
    if (*got == 0 || byte == '\n') return Secret::copy_of(line.reveal().first(size));
    if (size == kMaxLine) return Error(Code::malformed, "what was entered is too long");
    line.fill()[size++] = byte;
  }
}

// A terminal that does not show what is typed, as long as the object lives.
class Silence {
 public:
  explicit Silence(int fd) : fd_(fd) {
    active_ = tcgetattr(fd_, &before_) == 0;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (active_) active_ = tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() {
    if (active_) tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  bool active() const { return active_; }

 private:
  int fd_;
  termios before_{};
  bool active_;
};

}  // namespace

Result<Secret> ask_secret(const std::string& question, const std::optional<int>& fd) {
  if (fd) return read_line(*fd);
  const Fd terminal(open("/dev/tty", O_RDWR | O_CLOEXEC));
  if (!terminal) return Error(Code::unavailable, "no terminal to ask at: give a descriptor with --code-fd");
  const Silence silence(terminal.get());
  if (!silence.active()) return Error(Code::unavailable, "the terminal cannot be silenced");
  if (auto asked = write_all(terminal.get(), bytes_of(question + ": ")); !asked)
    return std::move(asked).error();
  auto line = read_line(terminal.get());
  if (auto ended = write_all(terminal.get(), bytes_of("\n")); !ended) return std::move(ended).error();
  return line;
}

}  // namespace coprotect::client
