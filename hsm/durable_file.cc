#include "hsm/durable_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

#include "protocol/base/fault.h"
#include "protocol/base/fd.h"
#include "protocol/base/secret_file.h"

namespace coprotect::hsm {
namespace {

Error failure(std::string_view what, const std::filesystem::path& file) {
  const int error = errno;
  const Code code = error == ENOENT ? Code::not_found : error == EEXIST ? Code::conflict : Code::unavailable;
  return {code, std::string(what) + " \"" + file.string() +
                    "\": " + std::error_code(error, std::generic_category()).message()};
}

bool write_all(int fd, ByteView content) {
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    content = content.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

// Overwrites a file that was not renamed, as far as the file system does that: it may contain a key.
void discard(int fd, const std::string& temporary) {
  struct stat about {};
  constexpr std::uint8_t kZeros[4096] = {};
  if (fstat(fd, &about) == 0 && about.st_nlink == 1 && lseek(fd, 0, SEEK_SET) == 0)
    for (auto left = static_cast<std::size_t>(about.st_size); left > 0;) {
      const std::size_t next = std::min(left, sizeof kZeros);
      if (!write_all(fd, ByteView(kZeros, next))) break;
      left -= next;
    }
  static_cast<void>(fdatasync(fd));
  unlink(temporary.c_str());
}

// Makes the names in a folder durable.
bool sync_folder(const std::filesystem::path& folder) {
  const Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd && fsync(fd.get()) == 0;
}

// Writes a file durably under a temporary name; `place` gives it its final name.
template <typename Place>
Status write_and_place(const std::filesystem::path& file, ByteView content,
                       const std::optional<FileOwner>& owner, Place place) {
  const std::filesystem::path folder = folder_of(file);
  std::string temporary = (folder / ("." + file.filename().string() + ".XXXXXX")).string();
  const Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return failure("cannot make a file for", file);
  const bool owned = !owner || fchown(fd.get(), owner->user, owner->group) == 0;
  if (!owned || !write_all(fd.get(), content) || fsync(fd.get()) != 0) {
    auto failed = failure("cannot write", file);
    discard(fd.get(), temporary);
    return failed;
  }
  auto placed = place(temporary);
  if (!placed) discard(fd.get(), temporary);
  if (placed && !sync_folder(folder)) return failure("cannot make durable", file);
  return placed;
}

}  // namespace

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

Result<std::optional<FileOwner>> other_owner(const std::filesystem::path& folder) {
  struct stat found {};
  if (stat(folder.c_str(), &found) != 0) return failure("cannot look at", folder);
  if (found.st_uid == geteuid()) return std::optional<FileOwner>();
  return std::optional(FileOwner{.user = found.st_uid, .group = found.st_gid});
}

Status write_new_file(const std::filesystem::path& file, ByteView content) {
  // Unlike a rename, a link never replaces an existing file.
  const auto place = [&](const std::string& temporary) {
    fault_point("write_new_file: before the link");
    const bool linked = link(temporary.c_str(), file.c_str()) == 0;
    auto result = linked ? Status(Done{}) : Status(failure("cannot write", file));
    fault_point("write_new_file: after the link");
    if (linked) unlink(temporary.c_str());
    return result;
  };
  return write_and_place(file, content, std::nullopt, place);
}

Status replace_file(const std::filesystem::path& file, ByteView content,
                    const std::optional<FileOwner>& owner) {
  const auto place = [&](const std::string& temporary) {
    fault_point("replace_file: before the rename");
    if (rename(temporary.c_str(), file.c_str()) == 0) return Status(Done{});
    return Status(failure("cannot replace", file));
  };
  return write_and_place(file, content, owner, place);
}

Status remove_file(const std::filesystem::path& file) {
  if (unlink(file.c_str()) != 0) {
    if (errno == ENOENT) return Done{};
    return failure("cannot remove", file);
  }
  if (!sync_folder(folder_of(file))) return failure("cannot make durable", file);
  return Done{};
}

Status check_no_link(const std::filesystem::path& folder) {
  struct stat about {};
  if (lstat(folder.c_str(), &about) != 0) return failure("cannot look at", folder);
  if (S_ISDIR(about.st_mode)) return Done{};
  return Error(Code::altered, "\"" + folder.string() + "\" is not a folder");
}

namespace {

// O_NONBLOCK: opening a FIFO would block otherwise.
Result<Bytes> read_regular(const std::filesystem::path& file, std::size_t limit, bool is_secret) {
  const Error irregular(Code::altered, "\"" + file.string() + "\" is not a regular file");
  const Fd fd(open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd && (errno == ELOOP || errno == ENXIO)) return irregular;
  if (!fd) return failure("cannot read", file);
  struct stat about {};
  if (fstat(fd.get(), &about) != 0) return failure("cannot look at", file);
  if (!S_ISREG(about.st_mode)) return irregular;
  if (is_secret)
    if (auto kept = is_kept_secret(fd.get(), file.native()); !kept) return std::move(kept).error();
  Bytes content(limit + 1);
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t n = read(fd.get(), content.data() + size, content.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failure("cannot read", file);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > limit) return Error(Code::altered, "\"" + file.string() + "\" is too long");
  content.resize(size);
  return content;
}

}  // namespace

Result<Bytes> read_file(const std::filesystem::path& file, std::size_t limit) {
  return read_regular(file, limit, false);
}

Result<Bytes> read_secret_file(const std::filesystem::path& file, std::size_t limit) {
  return read_regular(file, limit, true);
}

}  // namespace coprotect::hsm
