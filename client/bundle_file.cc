#include "client/bundle_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "client/enrolment.h"
#include "client/files/output_file.h"
#include "protocol/base/fault.h"

namespace coprotect::client {
namespace {

constexpr int kLockAttempts = 100;
constexpr std::chrono::milliseconds kBetweenAttempts{20};

// A file that no other program of ours replaces while this lock is held.
struct LockedBundle {
  Fd fd;
  struct stat status {};
};

// The lock is on a file, not on its name. While waiting, the file may have been replaced.
Result<LockedBundle> lock(const std::filesystem::path& file) {
  const std::string quoted = "\"" + file.string() + "\"";
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    LockedBundle locked{.fd = Fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY))};
    if (!locked.fd || fstat(locked.fd.get(), &locked.status) != 0)
      return os_error(quoted + ": cannot be read");
    if (flock(locked.fd.get(), LOCK_EX | LOCK_NB) == 0) {
      struct stat named {};
      if (stat(file.c_str(), &named) == 0 && named.st_dev == locked.status.st_dev &&
          named.st_ino == locked.status.st_ino)
        return locked;
    } else if (errno != EWOULDBLOCK) {
      return os_error(quoted + ": cannot be locked");
    }
    std::this_thread::sleep_for(kBetweenAttempts);
  }
  return Error(Code::unavailable, quoted + ": another program does not let go of it");
}

Status replace(const std::filesystem::path& file, const struct stat& present, ByteView content) {
  auto output = OutputFile::create(file, true, present.st_mode & 07777u);
  if (!output) return std::move(output).error();
  if ((present.st_uid != geteuid() || present.st_gid != getegid()) &&
      fchown(output->fd(), present.st_uid, present.st_gid) != 0)
    return os_error("\"" + file.string() + "\": its owner cannot be kept");
  if (auto written = write_all(output->fd(), content); !written)
    return std::move(written).error().in("\"" + file.string() + "\"");
  fault_point("keep-bundle write");
  auto committed = output->commit();
  fault_point("keep-bundle done");
  return committed;
}

}  // namespace

Status keep_bundle(const protocol::Bundle& bundle, const std::filesystem::path& named) {
  std::error_code error;
  const std::filesystem::path file = std::filesystem::canonical(named, error);  // a link remains a link
  if (error) return Error(Code::not_found, "\"" + named.string() + "\": " + error.message());
  const auto locked = lock(file);
  if (!locked) return locked.error();
  const auto present = load_bundle(file, bundle.key_id());
  if (!present) return present.error();
  if (present->extends(bundle)) return Done{};
  if (!bundle.extends(*present))
    return Error(Code::altered, "\"" + file.string() + "\" has another history of the key");
  return replace(file, locked->status, bundle.encoded());
}

}  // namespace coprotect::client
