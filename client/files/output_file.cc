#include "client/files/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "protocol/base/random.h"

namespace coprotect::client {
namespace {

// A unique name.
std::string temporary_name() {
  ByteArray<8> unique;
  system_random().fill(unique);
  return ".coprotect-" + to_hex(unique);
}

Error exists_already(const std::filesystem::path& target) {
  return {Code::conflict, in_quotes(target) + " exists already"};
}

// Whether the file that lstat() describes may be replaced. If lstat() failed, there is none.
Status may_be_made(bool present, const struct stat& status, const std::filesystem::path& target,
                   bool overwrite) {
  if (!present) return Done{};
  if (S_ISDIR(status.st_mode)) return Error(Code::conflict, in_quotes(target) + " is a folder");
  if (!overwrite) return exists_already(target);
  return Done{};
}

}  // namespace

OutputFile::OutputFile(Fd fd, Folder folder, std::string name, std::string temporary, bool overwrite,
                       mode_t mode)
    : fd_(std::move(fd)),
      folder_(std::move(folder)),
      name_(std::move(name)),
      temporary_(std::move(temporary)),
      overwrite_(overwrite),
      mode_(mode) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      folder_(other.folder_),
      name_(std::move(other.name_)),
      temporary_(std::exchange(other.temporary_, {})),
      overwrite_(other.overwrite_),
      mode_(other.mode_) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) unlinkat(folder_.fd(), temporary_.c_str(), 0);
}

Status OutputFile::available(const std::filesystem::path& target, bool overwrite) {
  struct stat status {};
  const bool present = lstat(target.c_str(), &status) == 0;
  return may_be_made(present, status, target, overwrite);
}

Status OutputFile::available(const Folder& folder, const std::string& name, bool overwrite) {
  struct stat status {};
  const bool present = fstatat(folder.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  return may_be_made(present, status, folder.path_of(name), overwrite);
}

Result<OutputFile> OutputFile::create(const std::filesystem::path& target, bool overwrite, mode_t mode) {
  // Checks before opening the folder. That also covers a path that ends in a slash or a dot.
  if (auto free = available(target, overwrite); !free) return std::move(free).error();
  const auto folder = Folder::of(target);
  if (!folder) return folder.error();
  return create(*folder, target.filename().string(), overwrite, mode);
}

Result<OutputFile> OutputFile::create(const Folder& folder, const std::string& name, bool overwrite,
                                      mode_t mode) {
  if (auto free = available(folder, name, overwrite); !free) return std::move(free).error();
  const std::string in_folder = "folder " + in_quotes(folder.path()) + ": cannot be written";
  Fd fd(openat(folder.fd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return OutputFile(std::move(fd), folder, name, {}, overwrite, mode);
  // The errors of file systems and kernels without O_TMPFILE.
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return os_error(in_folder);
  std::string temporary = temporary_name();
  fd = Fd(openat(folder.fd(), temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return os_error(in_folder);
  return OutputFile(std::move(fd), folder, name, std::move(temporary), overwrite, mode);
}

Status OutputFile::give_temporary_name() {
  if (!temporary_.empty()) return Done{};
  const std::string self = "/proc/self/fd/" + std::to_string(fd());
  std::string name = temporary_name();
  if (linkat(AT_FDCWD, self.c_str(), folder_.fd(), name.c_str(), AT_SYMLINK_FOLLOW) != 0)
    return os_error(in_quotes(target()) + " cannot be made");
  temporary_ = std::move(name);
  return Done{};
}

// Exchanges both names in one step, so that the replaced file can be checked and restored.
Status OutputFile::replace(int replaced) {
  const int folder = folder_.fd();
  const auto exchange = [&] {
    return renameat2(folder, temporary_.c_str(), folder, name_.c_str(), RENAME_EXCHANGE) == 0;
  };
  const auto is_replaced = [&](const std::string& name) {
    struct stat named {};
    struct stat opened {};
    return fstatat(folder, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(replaced, &opened) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
  };
  const Error another(Code::conflict, "was replaced meanwhile");
  if (!exchange()) {
    // The file system does not support the exchange.
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
      return os_error(in_quotes(target()) + " cannot be replaced");
    if (!is_replaced(name_)) return another;
    if (renameat(folder, temporary_.c_str(), folder, name_.c_str()) != 0)
      return os_error(in_quotes(target()) + " cannot be replaced");
    temporary_.clear();
    return Done{};
  }
  if (!is_replaced(temporary_)) {
    if (exchange()) return another;
    const std::string kept = folder_.path_of(std::exchange(temporary_, {})).string();
    return Error(Code::conflict, "was replaced meanwhile, by what is now in " + in_quotes(kept));
  }
  unlinkat(folder, temporary_.c_str(), 0);
  temporary_.clear();
  return Done{};
}

Status OutputFile::give_name(int replaced) {
  const std::string self = "/proc/self/fd/" + std::to_string(fd());
  const int folder = folder_.fd();
  // linkat(2) refuses an existing name, renameat(2) replaces it.
  if (!overwrite_) {
    const int linked = temporary_.empty()
                           ? linkat(AT_FDCWD, self.c_str(), folder, name_.c_str(), AT_SYMLINK_FOLLOW)
                           : linkat(folder, temporary_.c_str(), folder, name_.c_str(), 0);
    if (linked == 0) return Done{};
    if (errno == EEXIST) return exists_already(target());
    return os_error(in_quotes(target()) + " cannot be made");
  }
  if (auto named = give_temporary_name(); !named) return named;
  if (replaced >= 0) return replace(replaced);
  if (renameat(folder, temporary_.c_str(), folder, name_.c_str()) != 0)
    return os_error(in_quotes(target()) + " cannot be replaced");
  temporary_.clear();
  return Done{};
}

Status OutputFile::commit() {
  return finish(-1);
}

Status OutputFile::commit_in_place_of(int replaced) {
  return finish(replaced);
}

Status OutputFile::finish(int replaced) {
  if (fchmod(fd(), mode_) != 0 || fsync(fd()) != 0) return os_error("cannot be written");
  if (auto named = give_name(replaced); !named) return named;
  const Fd folder(openat(folder_.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) fsync(folder.get());  // best effort: a folder may not be readable
  return Done{};
}

}  // namespace coprotect::client
