#include "client/files/input.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace coprotect::client {

Result<Input> Input::open(const std::optional<std::filesystem::path>& file) {
  Input input;
  input.fd_ =
      Fd(file ? ::open(file->c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY) : fcntl(0, F_DUPFD_CLOEXEC, 3));
  if (!input.fd_ || fstat(input.fd(), &input.status_) != 0) return os_error("cannot be read");
  if (S_ISDIR(input.status_.st_mode)) return Error(Code::conflict, "is a folder");
  input.regular_ = file && S_ISREG(input.status_.st_mode);
  return input;
}

Result<Input> Input::open(const PlaceInTree& file) {
  const auto folder = file.folder(false);
  if (!folder) return folder.error();
  Input input;
  // O_NONBLOCK: does not wait if a pipe has taken the file's place.
  input.fd_ = Fd(
      openat(folder->fd(), file.name().c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK));
  if (!input.fd_ && errno == ELOOP) return is_a_link(folder->path_of(file.name()));
  if (!input.fd_ || fstat(input.fd(), &input.status_) != 0) return os_error("cannot be read");
  if (!S_ISREG(input.status_.st_mode)) return Error(Code::conflict, "not a regular file");
  input.regular_ = true;
  return input;
}

Result<std::size_t> Input::read(std::span<std::uint8_t> out) {
  if (regular_) {
    const auto size = read_full_at(fd(), out, position_);
    if (size) position_ += *size;
    return size;
  }
  const std::size_t from_ahead = std::min(ahead_.size(), out.size());
  std::copy_n(ahead_.begin(), from_ahead, out.begin());
  ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<std::ptrdiff_t>(from_ahead));
  const auto more = read_full(fd(), out.subspan(from_ahead));
  if (!more) return more.error();
  position_ += from_ahead + *more;
  return from_ahead + *more;
}

void Input::unread(ByteView bytes) {
  position_ -= bytes.size();
  if (!regular_) ahead_.insert(ahead_.begin(), bytes.begin(), bytes.end());
}

Status Input::unchanged() const {
  struct stat now {};
  if (!regular_) return Done{};
  if (fstat(fd(), &now) != 0) return os_error("cannot be read");
  if (now.st_size != status_.st_size || now.st_mtim.tv_sec != status_.st_mtim.tv_sec ||
      now.st_mtim.tv_nsec != status_.st_mtim.tv_nsec) {
    return Error(Code::conflict, "was changed while it was read");
  }
  return Done{};
}

}  // namespace coprotect::client
