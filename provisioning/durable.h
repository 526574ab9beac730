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
// No file of the tool's is longer; the longest is a client list, which goes to agents in one request.
constexpr std::size_t kMaxFile = std::size_t{8} << 20;
constexpr std::size_t kMaxSecretFile = std::size_t{64} << 10;

// Writes a file that after a crash has its old content or the new one: temporary file beside it, fsync,
// rename, fsync of the folder. A fault point stands before and after. With an owner, the new file is that
// user's before it has its name.
Status write_durable(const std::filesystem::path& file, ByteView content, mode_t mode,
                     const std::optional<hsm::FileOwner>& owner = std::nullopt);
// Renames within a file system, durably. The target may be absent, a file, or an empty folder.
Status rename_durable(const std::filesystem::path& from, const std::filesystem::path& to);
// Makes one folder (0700), durably. One that exists is fine.
Status make_private_directory(const std::filesystem::path& directory);
// Code::denied unless the folder is this user's, and others may not write in it: they would exchange what is
// put there.
Status check_own_directory(const std::filesystem::path& directory);
// fsync of a folder: the names in it survive a crash.
Status sync_directory(const std::filesystem::path& directory);
// The whole path of a folder that somebody named, without the slash that it may end in: of files beside it.
std::filesystem::path without_slash(const std::filesystem::path& folder);
// Code::conflict for a symbolic link: a folder that is made takes the link's place, not that of what it leads
// to.
Status check_no_symlink(const std::filesystem::path& folder);
// Removes a folder with all in it; nothing to remove is fine.
Status remove_tree(const std::filesystem::path& directory);

// Holds a folder for one process at a time, for as long as it lives. The kernel lets go of it when the
// process dies.
class DirectoryLock {
 public:
  // Code::conflict if another process has it.
  static Result<DirectoryLock> acquire(const std::filesystem::path& directory);

 private:
  explicit DirectoryLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace coprotect::provisioning
