#pragma once

#include <sys/stat.h>

namespace coprotect::keyclient {

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
