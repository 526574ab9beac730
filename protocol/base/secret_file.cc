#include "protocol/base/secret_file.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace coprotect {

Status is_kept_secret(int fd, std::string_view path) {
  struct stat status {};
  if (fstat(fd, &status) != 0)
    return Error(Code::unavailable, "\"" + std::string(path) + "\": its permissions cannot be read: " +
                                        std::error_code(errno, std::generic_category()).message());
  constexpr mode_t kOthers = S_IRWXO | S_IWGRP;
  if (!S_ISREG(status.st_mode) || (status.st_mode & kOthers) == 0) return Done{};
  std::array<char, 8> mode;
  std::snprintf(mode.data(), mode.size(), "%04o", static_cast<unsigned>(status.st_mode & 07777));
  return Error(Code::malformed, "\"" + std::string(path) + "\" holds a secret, and its permissions (" +
                                    mode.data() + ") are open to others: chmod go-w,o-rwx it, and consider " +
                                    "who may have read it");
}

}  // namespace coprotect
