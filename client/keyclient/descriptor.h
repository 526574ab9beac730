#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace coprotect::keyclient {

// An open socket, closed with the object.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    Descriptor taken(std::move(other));
    std::swap(fd_, taken.fd_);
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

// Which open socket a number stood for. Programs close numbers that they did not open (daemons close all of
// them), and then give them to other files: a long-lived number is used, or closed, only while it is still
// the same socket.
struct SocketIdentity {
  dev_t device = 0;
  ino_t inode = 0;

  static SocketIdentity of(int fd) {
    struct stat status {};
    if (fstat(fd, &status) != 0 || !S_ISSOCK(status.st_mode)) return {};
    return {.device = status.st_dev, .inode = status.st_ino};
  }
  bool is_still(int fd) const {
    const SocketIdentity now = of(fd);
    return inode != 0 && now.inode == inode && now.device == device;
  }
};

}  // namespace coprotect::keyclient
