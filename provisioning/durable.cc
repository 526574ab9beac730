#include "provisioning/durable.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "protocol/base/fault.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

Error failure(std::string_view what, const fs::path& path) {
  const int cause = errno;
  const Code code = cause == ENOENT ? Code::not_found : Code::unavailable;
  return {code, std::string(what) + " \"" + path.string() + "\": " + std::strerror(cause)};
}

}  // namespace

Status sync_directory(const fs::path& directory) {
  const Fd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || fsync(fd.get()) != 0) return failure("cannot write to disk", directory);
  return Done{};
}

Status write_durable(const fs::path& file, ByteView content, mode_t mode,
                     const std::optional<hsm::FileOwner>& owner) {
  const std::string point = "write " + file.filename().string();
  fault_point(("before " + point).c_str());
  std::string temporary = file.string() + ".tmp-XXXXXX";
  const Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return failure("cannot write", file);
  const bool owned = !owner || fchown(fd.get(), owner->user, owner->group) == 0;
  if (!owned || !client::write_all(fd.get(), content) || fchmod(fd.get(), mode) != 0 ||
      fsync(fd.get()) != 0) {
    Error error = failure("cannot write", file);
    unlink(temporary.c_str());
    return error;
  }
  fault_point(("before rename " + file.filename().string()).c_str());
  if (rename(temporary.c_str(), file.c_str()) != 0) {
    Error error = failure("cannot write", file);
    unlink(temporary.c_str());
    return error;
  }
  if (auto synced = sync_directory(hsm::folder_of(file)); !synced) return synced;
  fault_point(("after " + point).c_str());
  return Done{};
}

Status rename_durable(const fs::path& from, const fs::path& to) {
  const std::string point = "rename to " + to.filename().string();
  fault_point(("before " + point).c_str());
  if (rename(from.c_str(), to.c_str()) != 0) return failure("cannot make", to);
  if (auto synced = sync_directory(hsm::folder_of(to)); !synced) return synced;
  fault_point(("after " + point).c_str());
  return Done{};
}

Status make_private_directory(const fs::path& directory) {
  if (mkdir(directory.c_str(), 0700) == 0) return sync_directory(hsm::folder_of(directory));
  struct stat info {};
  if (errno == EEXIST && stat(directory.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return Done{};
  return failure("cannot make folder", directory);
}

Status check_own_directory(const fs::path& directory) {
  struct stat info {};
  if (stat(directory.c_str(), &info) != 0) return failure("cannot look at", directory);
  if (info.st_uid == geteuid() && (info.st_mode & S_IWOTH) == 0) return Done{};
  return Error(Code::denied,
               "folder \"" + directory.string() +
                   (info.st_uid != geteuid() ? "\" is another user's" : "\" is writable by everybody") +
                   ": name one of your own, or one that is not there yet");
}

std::filesystem::path without_slash(const std::filesystem::path& folder) {
  const std::filesystem::path whole = std::filesystem::absolute(folder).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

Status check_no_symlink(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (std::filesystem::is_symlink(std::filesystem::symlink_status(folder, ignored)))
    return Error(Code::conflict,
                 "\"" + folder.string() + "\" is a symbolic link: name the folder that it leads to");
  return Done{};
}

Status remove_tree(const fs::path& directory) {
  std::error_code error;
  fs::remove_all(directory, error);
  if (error)
    return Error(Code::unavailable, "cannot remove \"" + directory.string() + "\": " + error.message());
  return Done{};
}

Result<DirectoryLock> DirectoryLock::acquire(const fs::path& directory) {
  Fd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return failure("cannot open", directory);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return Error(Code::conflict, "another coprotect-provision works in \"" + directory.string() + "\"");
    return failure("cannot lock", directory);
  }
  return DirectoryLock(std::move(fd));
}

}  // namespace coprotect::provisioning
