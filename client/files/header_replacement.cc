#include "client/files/header_replacement.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "client/files/output_file.h"

namespace coprotect::client {
namespace {

constexpr std::uint64_t kStep = std::uint64_t{64} << 20;

// Whether the kernel cannot copy between these two files in this way, though another way may work.
bool not_here(int error) {
  return error == EXDEV || error == ENOSYS || error == EOPNOTSUPP || error == EINVAL;
}

// Copies `size` bytes from `offset` of one file to the other one's present position.
Status copy_rest(int from, std::uint64_t offset, std::uint64_t size, int to, Progress& progress) {
  bool in_place = true;  // copy_file_range, which can share blocks; else sendfile
  auto at = static_cast<off_t>(offset);
  while (size > 0) {
    const std::size_t step = std::min(size, kStep);
    const ssize_t copied =
        in_place ? copy_file_range(from, &at, to, nullptr, step, 0) : sendfile(to, from, &at, step);
    if (copied < 0 && in_place && not_here(errno)) {
      in_place = false;
      continue;
    }
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0) return os_error("cannot be copied");
    if (copied == 0) return Error(Code::conflict, "became shorter while it was read");
    size -= static_cast<std::uint64_t>(copied);
    progress.add(static_cast<std::uint64_t>(copied));
  }
  return Done{};
}

// Checks that the name still refers to the opened file itself.
Status check_name(const Folder& folder, const std::string& name, int fd) {
  struct stat named {};
  struct stat opened {};
  if (fstatat(folder.fd(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 || fstat(fd, &opened) != 0)
    return os_error("cannot be read");
  if (S_ISLNK(named.st_mode)) return Error(Code::conflict, "is a symbolic link: name the file itself");
  if (named.st_dev != opened.st_dev || named.st_ino != opened.st_ino)
    return Error(Code::conflict, "was replaced meanwhile");
  return Done{};
}

// Keeps owner and times. The output already has the permissions.
Status keep_attributes(int from, int to) {
  struct stat before {};
  struct stat now {};
  if (fstat(from, &before) != 0 || fstat(to, &now) != 0) return os_error("cannot be read");
  const bool same_owner = before.st_uid == now.st_uid && before.st_gid == now.st_gid;
  if (!same_owner && fchown(to, before.st_uid, before.st_gid) != 0)
    return os_error("its owner cannot be kept");
  const std::array<timespec, 2> times = {before.st_atim, before.st_mtim};
  if (futimens(to, times.data()) != 0) return os_error("its times cannot be kept");
  return Done{};
}

}  // namespace

Status replace_header(const std::filesystem::path& file, const Input& input, const protocol::Header& present,
                      const protocol::Header& next, Progress& progress) {
  const auto folder = Folder::of(file);
  if (!folder) return folder.error();
  return replace_header(*folder, file.filename().string(), input, present, next, progress);
}

Status replace_header(const Folder& folder, const std::string& name, const Input& input,
                      const protocol::Header& present, const protocol::Header& next, Progress& progress) {
  if (!input.regular()) return Error(Code::conflict, "not a regular file");
  auto output = OutputFile::create(folder, name, true, input.permissions());
  if (!output) return std::move(output).error();
  if (auto written = write_all(output->fd(), next.encoded()); !written) return written;
  const std::uint64_t offset = present.encoded().size();
  if (auto copied = copy_rest(input.fd(), offset, input.size() - offset, output->fd(), progress); !copied)
    return copied;
  // The slow part comes first, because the file may change meanwhile.
  if (fsync(output->fd()) != 0) return os_error("cannot be written");
  if (auto unchanged = input.unchanged(); !unchanged) return unchanged;
  if (auto kept = keep_attributes(input.fd(), output->fd()); !kept) return kept;
  if (auto same = check_name(folder, name, input.fd()); !same) return same;
  return output->commit_in_place_of(input.fd());
}

}  // namespace coprotect::client
