#include "agent/custodian/newest_backup.h"

#include <algorithm>

#include "hsm/agent_folder.h"
#include "hsm/durable_file.h"
#include "hsm/epoch_keys.h"

namespace coprotect::agent::custodian {
namespace {

constexpr std::size_t kMaxTable = std::size_t{16} << 20;

bool is_the_same(const struct stat& one, const struct stat& other) {
  return one.st_ino == other.st_ino && one.st_size == other.st_size &&
         one.st_mtim.tv_sec == other.st_mtim.tv_sec && one.st_mtim.tv_nsec == other.st_mtim.tv_nsec;
}

}  // namespace

NewestBackup::NewestBackup(const std::filesystem::path& state)
    : table_{.path = state / hsm::kEpochKeysFile, .as = {}, .hash = std::nullopt},
      note_(state / hsm::kBackedUpFile) {}

// The table has 68 bytes for each key and is written as a whole. It is read again only if it is a different
// file.
void NewestBackup::Seen::look() {
  struct stat now {};
  if (lstat(path.c_str(), &now) != 0) {
    hash.reset();
    return;
  }
  if (hash && is_the_same(as, now)) return;
  const auto content = hsm::read_file(path, kMaxTable);
  as = now;
  hash = content ? std::optional(protocol::sha256(*content)) : std::nullopt;
}

std::string NewestBackup::state() {
  const std::lock_guard lock(mutex_);
  const auto note = hsm::read_file(note_, sizeof(Digest));
  if (!note) return note.error().code() == Code::not_found ? "none" : "what the last one left cannot be read";
  table_.look();
  const Digest covered = table_.hash.value_or(Digest{});
  if (std::ranges::equal(*note, covered)) return "ok";
  return "shares were made or erased since the newest one: if the disk is lost now, a share is";
}

}  // namespace coprotect::agent::custodian
