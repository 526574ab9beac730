#include "agent/ipc/open_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace coprotect::agent::ipc {
namespace {

constexpr off_t kMaxSize = 64 << 10;

}  // namespace

Result<Secret> read_open_file(int file) {
  struct stat about {};
  if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size > kMaxSize)
    return Error(Code::malformed, "not a regular file of at most 64 KiB");
  Secret content(static_cast<std::size_t>(about.st_size));
  std::size_t have = 0;
  while (have < content.size()) {
    const ssize_t n =
        pread(file, content.fill().data() + have, content.size() - have, static_cast<off_t>(have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error(Code::unavailable, n == 0 ? "file became shorter" : std::strerror(errno));
    have += static_cast<std::size_t>(n);
  }
  return content;
}

}  // namespace coprotect::agent::ipc
