#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::provisioning {

constexpr mode_t kPrivateMode = 0600;
constexpr mode_t kPublicMode = 0644;

// Writes a file that after a crash has its old content or the new one: temporary file beside it, fsync,
// rename, fsync of the folder. A fault point stands before and after.
Status write_durable(const std::filesystem::path& file, ByteView content, mode_t mode);
// Renames within a file system, durably. The target may be absent, a file, or an empty folder.
Status rename_durable(const std::filesystem::path& from, const std::filesystem::path& to);
// Makes one folder (0700), durably. One that exists is fine.
Status make_private_directory(const std::filesystem::path& directory);
// fsync of a folder: the names in it survive a crash.
Status sync_directory(const std::filesystem::path& directory);
// Removes a folder with all in it; nothing to remove is fine.
Status remove_tree(const std::filesystem::path& directory);

// The whole of a file of at most `limit` bytes. Code::not_found if there is none.
Result<Bytes> read_file(const std::filesystem::path& file, std::size_t limit = std::size_t{16} << 20);
// As read_file, straight into locked memory.
Result<Secret> read_secret_file(const std::filesystem::path& file, std::size_t limit = std::size_t{64} << 10);

// A descriptor that closes itself.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();
  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Holds a folder for one process at a time, for as long as it lives. The kernel lets go of it when the
// process dies.
class DirectoryLock {
 public:
  // Code::conflict if another process has it.
  static Result<DirectoryLock> acquire(const std::filesystem::path& directory);

 private:
  explicit DirectoryLock(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

}  // namespace coprotect::provisioning
