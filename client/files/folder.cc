#include "client/files/folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

namespace coprotect::client {
namespace {

// The kind of file with this name (stat(2)). 0 if it cannot be determined.
mode_t kind_of(int folder, const std::filesystem::path& name) {
  struct stat present {};
  return fstatat(folder, name.c_str(), &present, AT_SYMLINK_NOFOLLOW) == 0 ? present.st_mode & S_IFMT : 0;
}

}  // namespace

Error is_a_link(const std::filesystem::path& link) {
  return {Code::conflict, in_quotes(link) + " is a symbolic link, which is not followed"};
}

// O_PATH because a user who may only write into a folder cannot open it for reading.
Result<Folder> Folder::open(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return os_error("folder " + in_quotes(path) + ": cannot be opened");
  return Folder(std::move(fd), path);
}

Result<Folder> Folder::of(const std::filesystem::path& file) {
  return open(file.has_parent_path() ? file.parent_path() : std::filesystem::path("."));
}

// One part of the path at a time. That equals openat2() with RESOLVE_NO_SYMLINKS, but also works on kernels
// without it. The kernel looks the name up once, so there is no gap between check and use.
Result<Folder> Folder::next(const std::filesystem::path& name, bool make) const {
  if (name == "..") return Error(Code::malformed, in_quotes(path_ / name) + " leads out of its folder");
  if (make && mkdirat(fd(), name.c_str(), 0777) != 0 && errno != EEXIST)
    return os_error(in_quotes(path_ / name) + " cannot be made");
  Fd fd(openat(this->fd(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd) return Folder(std::move(fd), path_ / name);
  const bool was_none = errno == ENOTDIR;
  Error why = os_error("folder " + in_quotes(path_ / name) + ": cannot be opened");
  const mode_t kind = kind_of(this->fd(), name);
  if (kind == S_IFLNK) return is_a_link(path_ / name);
  if (kind == S_IFDIR && was_none)
    return Error(Code::conflict,
                 in_quotes(path_ / name) + " was no folder a moment ago: somebody changes it");
  return why;
}

Result<Folder> Folder::below(const std::filesystem::path& relative, bool make) const {
  if (relative.is_absolute()) return Error(Code::malformed, in_quotes(relative) + " leads out of its folder");
  Folder folder = *this;
  for (const std::filesystem::path& name : relative) {
    if (name.empty() || name == ".") continue;
    auto next = folder.next(name, make);
    if (!next) return next;
    folder = *std::move(next);
  }
  return folder;
}

Result<Folder> Tree::folder_of(const std::filesystem::path& relative, bool make) {
  if (!opened_) {
    std::error_code error;
    if (make) std::filesystem::create_directories(root_, error);
    if (error) return Error(Code::unavailable, in_quotes(root_) + " cannot be made: " + error.message());
    auto root = Folder::open(root_);
    if (!root) return root;
    opened_ = *std::move(root);
  }
  return opened_->below(relative.parent_path(), make);
}

}  // namespace coprotect::client
