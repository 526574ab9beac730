#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>

#include "client/files/fd.h"
#include "client/files/small_file.h"
#include "hsm/durable_file.h"

namespace coprotect::provisioning {

constexpr mode_t kPrivateMode = 0600;
constexpr mode_t kPublicMode = 0644;
// No file of the tool is longer. The longest is a client list, which goes to agents in one request.
constexpr std::size_t kMaxFile = std::size_t{8} << 20;
constexpr std::size_t kMaxSecretFile = std::size_t{64} << 10;

// Writes a file that has its old or its new content after a crash: temporary file beside it, fsync, rename,
// fsync of the folder. Fault points are before and after. With an owner, the new file belongs to that user
// before it gets its name.
Status write_durable(const std::filesystem::path& file, ByteView content, mode_t mode,
                     const std::optional<hsm::FileOwner>& owner = std::nullopt);
// Renames within a file system, durably. The target may be absent, a file, or an empty folder.
Status rename_durable(const std::filesystem::path& from, const std::filesystem::path& to);
// Creates one folder (0700), durably. An existing one is not an error.
Status make_private_directory(const std::filesystem::path& directory);
// Code::denied unless the folder belongs to this user and is not writable by everybody. Others could exchange
// what is put there.
Status check_own_directory(const std::filesystem::path& directory);
// fsync of a folder, so that its names survive a crash.
Status sync_directory(const std::filesystem::path& directory);
// The full path of a named folder without a trailing slash, for files beside it.
std::filesystem::path without_slash(const std::filesystem::path& folder);
// Code::conflict for a symbolic link: a new folder would replace the link, not the folder to which it points.
Status check_no_symlink(const std::filesystem::path& folder);
// Removes a folder and its contents. A missing folder is not an error.
Status remove_tree(const std::filesystem::path& directory);

// Locks a folder for one process during this object's lifetime. The kernel releases the lock when the process
// dies.
class DirectoryLock {
 public:
  // Code::conflict if another process holds the lock.
  static Result<DirectoryLock> acquire(const std::filesystem::path& directory);

 private:
  explicit DirectoryLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace coprotect::provisioning
