#pragma once

#include <sys/stat.h>

namespace coprotect::keyclient {

// Identifies the open socket behind a descriptor number. Programs close descriptors that they did not open
// (daemons close all), and the numbers are then given to other files. So a long-lived number is used, or
// closed, only while it is still the same socket.
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
