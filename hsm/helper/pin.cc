#include "hsm/helper/pin.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "hsm/helper/message.h"
#include "protocol/base/secret_file.h"
#include "protocol/base/writer.h"

namespace coprotect::hsm {
namespace {

constexpr std::size_t kMaxPin = 255;

// Reads until the buffer is full or the file ends; −1 and errno on failure.
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

std::uint64_t nanoseconds(const timespec& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
}

Bytes stamp_of(const struct stat& status) {
  Writer writer;
  writer.u64(status.st_dev).u64(status.st_ino).u64(static_cast<std::uint64_t>(status.st_size));
  writer.u64(nanoseconds(status.st_mtim)).u64(nanoseconds(status.st_ctim));
  invariant(writer.view().size() == kPinFileStampSize);
  return std::move(writer).take();
}

}  // namespace

Result<PinFile> PinFile::open(std::string_view pin_source, ByteView refused) {
  constexpr std::string_view kScheme = "file:";
  if (!pin_source.starts_with("file:/"))
    return Error(Code::malformed, "pin-source is not \"file:\" and an absolute path");
  const std::string path(pin_source.substr(kScheme.size()));
  PinFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC), path);
  Secret line(kMaxPin + 2);  // room for a PIN and its line end
  struct stat status {};
  const bool opened = file.fd_ >= 0 && fstat(file.fd_, &status) == 0;
  const ssize_t size = opened ? read_into(line.fill(), file.fd_) : -1;
  if (size < 0) {
    const std::error_code cause(errno, std::generic_category());
    return Error(Code::unavailable, "cannot read the PIN file \"" + path + "\": " + cause.message());
  }
  if (auto kept = is_kept_secret(file.fd_, path); !kept) return std::move(kept).error().in("PIN file");
  file.stamp_ = stamp_of(status);
  if (std::ranges::equal(file.stamp_, refused))
    return Error(Code::wrong_code, "the token refused the PIN before: " + file.advice());
  const ByteView pin = without_line_end(line.reveal().first(static_cast<std::size_t>(size)));
  if (pin.empty() || pin.size() > kMaxPin)
    return Error(Code::unavailable, "the PIN file \"" + path + "\" holds no PIN of 1 to 255 bytes");
  file.pin_ = Secret::copy_of(pin);
  // A file system without locks is not a reason to fail.
  while (flock(file.fd_, LOCK_EX) != 0 && errno == EINTR) {
  }
  return file;
}

std::string PinFile::advice() const {
  return "it is not tried again until \"" + path_ +
         "\" changes, lest the token lock. Write the right PIN into that file, or touch it if the token has "
         "this PIN now";
}

PinFile::PinFile(PinFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      stamp_(std::move(other.stamp_)),
      pin_(std::move(other.pin_)) {}

PinFile::~PinFile() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace coprotect::hsm
