#include "hsm/helper/pin.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace coprotect::hsm {
namespace {

constexpr std::size_t kMaxPin = 255;

class File {
 public:
  explicit File(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Fills as much of `to` as the file has; −1 and errno if it cannot be read.
  ssize_t read_into(std::span<std::uint8_t> to) const {
    if (fd_ < 0) return -1;
    std::size_t size = 0;
    while (size < to.size()) {
      const ssize_t n = read(fd_, to.data() + size, to.size() - size);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return -1;
      if (n == 0) break;
      size += static_cast<std::size_t>(n);
    }
    return static_cast<ssize_t>(size);
  }

 private:
  int fd_;
};

}  // namespace

Result<Secret> read_pin(std::string_view pin_source) {
  constexpr std::string_view kScheme = "file:";
  if (!pin_source.starts_with("file:/"))
    return Error(Code::malformed, "pin-source is not \"file:\" and an absolute path");
  const std::string path(pin_source.substr(kScheme.size()));
  Secret content(kMaxPin + 2);  // a PIN and its line end
  const ssize_t read = File(path).read_into(content.fill());
  if (read < 0) {
    const std::error_code cause(errno, std::generic_category());
    return Error(Code::unavailable, "cannot read the PIN file \"" + path + "\": " + cause.message());
  }
  ByteView pin = content.reveal().first(static_cast<std::size_t>(read));
  if (!pin.empty() && pin.back() == '\n') pin = pin.first(pin.size() - 1);
  if (!pin.empty() && pin.back() == '\r') pin = pin.first(pin.size() - 1);
  if (pin.empty() || pin.size() > kMaxPin)
    return Error(Code::unavailable, "the PIN file \"" + path + "\" holds no PIN of 1 to 255 bytes");
  return Secret::copy_of(pin);
}

}  // namespace coprotect::hsm
