#include "hsm/store_in_use.h"

#include <fcntl.h>
#include <sys/file.h>

#include "protocol/base/fd.h"

namespace coprotect::hsm {

bool is_in_use(const std::filesystem::path& store) {
  const Fd lock(open((store.string() + ".lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  return lock && flock(lock.get(), LOCK_SH | LOCK_NB) != 0;
}

}  // namespace coprotect::hsm
