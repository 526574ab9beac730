#include "client/terminal/secret_line.h"

#include "client/files/fd.h"
#include "client/terminal/terminal.h"

namespace coprotect::client {

Result<Secret> read_secret_line(int fd) {
  const std::string name = "file descriptor " + std::to_string(fd);
  Secret line(kMaxSecretLine);
  std::size_t size = 0;
  // Byte by byte, because what follows the newline belongs to the next reader.
  for (;;) {
    Secret next(1);
    const auto got = read_full(fd, next.fill());
    if (!got) return Error(Code::malformed, name + " " + got.error().message());
    const std::uint8_t byte = next.reveal()[0];
    if (*got == 0 && size == 0) return Error(Code::malformed, name + " gave no line");
    if (*got == 0 || byte == '\n') return Secret::copy_of(line.reveal().first(size));
    if (size == kMaxSecretLine) return Error(Code::malformed, "the line on " + name + " is too long");
    line.fill()[size++] = byte;
  }
}

Result<Secret> ask_secret(std::string_view prompt, const std::optional<int>& fd) {
  if (fd) return read_secret_line(*fd);
  const auto terminal = Terminal::open();
  if (!terminal) return terminal.error();
  return terminal->read_hidden(prompt);
}

}  // namespace coprotect::client
