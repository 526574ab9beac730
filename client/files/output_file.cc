#include "client/files/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "protocol/base/random.h"

namespace coprotect::client {
namespace {

std::filesystem::path folder_of(const std::filesystem::path& target) {
  return target.has_parent_path() ? target.parent_path() : std::filesystem::path(".");
}

// A name that nobody else uses, beside the target.
std::filesystem::path temporary_name(const std::filesystem::path& target) {
  ByteArray<8> unique;
  system_random().fill(unique);
  return folder_of(target) / (".coprotect-" + to_hex(unique));
}

Error exists_already(const std::filesystem::path& target) {
  return {Code::conflict, "\"" + target.string() + "\" exists already"};
}

}  // namespace

OutputFile::OutputFile(Fd fd, std::filesystem::path target, std::filesystem::path temporary, bool overwrite,
                       mode_t mode)
    : fd_(std::move(fd)),
      target_(std::move(target)),
      temporary_(std::move(temporary)),
      overwrite_(overwrite),
      mode_(mode) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      overwrite_(other.overwrite_),
      mode_(other.mode_) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Status OutputFile::available(const std::filesystem::path& target, bool overwrite) {
  struct stat present {};
  if (lstat(target.c_str(), &present) != 0) return Done{};
  if (S_ISDIR(present.st_mode)) return Error(Code::conflict, "\"" + target.string() + "\" is a folder");
  if (!overwrite) return exists_already(target);
  return Done{};
}

Result<OutputFile> OutputFile::create(std::filesystem::path target, bool overwrite, mode_t mode) {
  if (auto free = available(target, overwrite); !free) return std::move(free).error();
  const std::string in_folder = "folder \"" + folder_of(target).string() + "\": cannot be written";
  Fd fd(open(folder_of(target).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd) return OutputFile(std::move(fd), std::move(target), {}, overwrite, mode);
  // The answers of file systems and kernels that have no O_TMPFILE.
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return os_error(in_folder);
  std::filesystem::path temporary = temporary_name(target);
  fd = Fd(open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return os_error(in_folder);
  return OutputFile(std::move(fd), std::move(target), std::move(temporary), overwrite, mode);
}

Status OutputFile::give_name() {
  const std::string self = "/proc/self/fd/" + std::to_string(fd());
  // link(2) refuses an existing name, rename(2) replaces it.
  if (!overwrite_) {
    const int linked = temporary_.empty()
                           ? linkat(AT_FDCWD, self.c_str(), AT_FDCWD, target_.c_str(), AT_SYMLINK_FOLLOW)
                           : link(temporary_.c_str(), target_.c_str());
    if (linked == 0) return Done{};
    if (errno == EEXIST) return exists_already(target_);
    return os_error("\"" + target_.string() + "\" cannot be made");
  }
  if (temporary_.empty()) {
    std::filesystem::path name = temporary_name(target_);
    if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      return os_error("\"" + target_.string() + "\" cannot be made");
    }
    temporary_ = std::move(name);
  }
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) {
    return os_error("\"" + target_.string() + "\" cannot be replaced");
  }
  temporary_.clear();
  return Done{};
}

Status OutputFile::commit() {
  if (fchmod(fd(), mode_) != 0 || fsync(fd()) != 0) return os_error("cannot be written");
  if (auto named = give_name(); !named) return named;
  const Fd folder(open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) fsync(folder.get());  // best effort: a folder that cannot be opened for reading is no failure
  return Done{};
}

}  // namespace coprotect::client
