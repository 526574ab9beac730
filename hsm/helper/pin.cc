#include "hsm/helper/pin.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace coprotect::hsm {
namespace {

constexpr std::size_t kMaxPin = 255;

// Reads as much as fits and the file has; −1 and errno if it cannot be read.
ssize_t read_into(std::span<std::uint8_t> to, int fd) {
  std::size_t size = 0;
  while (size < to.size()) {
    const ssize_t n = read(fd, to.data() + size, to.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  return static_cast<ssize_t>(size);
}

ByteView without_line_end(ByteView line) {
  if (!line.empty() && line.back() == '\n') line = line.first(line.size() - 1);
  if (!line.empty() && line.back() == '\r') line = line.first(line.size() - 1);
  return line;
}

}  // namespace

Result<PinFile> PinFile::open(std::string_view pin_source) {
  constexpr std::string_view kScheme = "file:";
  if (!pin_source.starts_with("file:/"))
    return Error(Code::malformed, "pin-source is not \"file:\" and an absolute path");
  const std::string path(pin_source.substr(kScheme.size()));
  PinFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC),
               Secret(kMaxPin + 2));  // room for a PIN and its line end
  const ssize_t size = file.fd_ < 0 ? -1 : read_into(file.pin_.fill(), file.fd_);
  if (size < 0) {
    const std::error_code cause(errno, std::generic_category());
    return Error(Code::unavailable, "cannot read the PIN file \"" + path + "\": " + cause.message());
  }
  const ByteView pin = without_line_end(file.pin_.reveal().first(static_cast<std::size_t>(size)));
  if (pin.empty() || pin.size() > kMaxPin)
    return Error(Code::unavailable, "the PIN file \"" + path + "\" holds no PIN of 1 to 255 bytes");
  file.pin_ = Secret::copy_of(pin);
  // A file system without locks is no reason to refuse.
  while (flock(file.fd_, LOCK_EX) != 0 && errno == EINTR) {
  }
  return file;
}

PinFile::PinFile(PinFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)), pin_(std::move(other.pin_)) {}

PinFile::~PinFile() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace coprotect::hsm
