#include "provisioning/agent_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "hsm/durable_file.h"
#include "protocol/base/fd.h"
#include "provisioning/durable.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

Error cannot_give(const fs::path& path) {
  return {Code::unavailable,
          "cannot give \"" + path.string() + "\" to the agent's user: " + std::strerror(errno)};
}

}  // namespace

Status write_agents_file(const fs::path& file, ByteView content, mode_t mode) {
  const auto owner = hsm::other_owner(hsm::folder_of(file));
  if (!owner) return owner.error();
  return write_durable(file, content, mode, *owner);
}

Result<Fd> open_agents_file(const fs::path& file) {
  const auto owner = hsm::other_owner(hsm::folder_of(file));
  if (!owner) return owner.error();
  constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
  Fd made(open(file.c_str(), kFlags | O_CREAT | O_EXCL, kPrivateMode));
  if (made && *owner && fchown(made.get(), (*owner)->user, (*owner)->group) != 0) return cannot_give(file);
  if (!made && errno == EEXIST) {
    made = Fd(open(file.c_str(), kFlags));
    // A file that root left here, or that a run left when it was killed before it changed the owner.
    struct stat found {};
    if (made && *owner && fstat(made.get(), &found) == 0 && S_ISREG(found.st_mode) && found.st_nlink == 1 &&
        found.st_uid == geteuid() && fchown(made.get(), (*owner)->user, (*owner)->group) != 0)
      return cannot_give(file);
  }
  if (!made)
    return Error(Code::unavailable, "cannot open \"" + file.string() + "\": " + std::strerror(errno));
  return made;
}

Status make_agents_directory(const fs::path& directory) {
  const auto owner = hsm::other_owner(hsm::folder_of(directory));
  if (!owner) return owner.error();
  if (auto made = make_private_directory(directory); !made) return made;
  if (auto own = hsm::check_no_link(directory); !own) return own;
  if (!*owner) return Done{};
  const Fd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd || fchown(fd.get(), (*owner)->user, (*owner)->group) != 0) return cannot_give(directory);
  return Done{};
}

Status give_to_owner_of(const fs::path& replaced, const fs::path& folder) {
  const auto owner = hsm::other_owner(replaced);
  if (!owner) return owner.error().code() == Code::not_found ? Status(Done{}) : owner.error();
  if (!*owner) return Done{};
  const auto give = [&](const fs::path& path) {
    return lchown(path.c_str(), (*owner)->user, (*owner)->group) == 0 ? Status(Done{}) : cannot_give(path);
  };
  std::error_code failure;
  fs::recursive_directory_iterator entry(folder, failure);
  for (; !failure && entry != fs::recursive_directory_iterator(); entry.increment(failure))
    if (auto given = give(entry->path()); !given) return given;
  if (failure)
    return Error(Code::unavailable, "cannot read \"" + folder.string() + "\": " + failure.message());
  return give(folder);
}

}  // namespace coprotect::provisioning
