#include "hsm/pkcs11/token_copy.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "hsm/durable_file.h"
#include "hsm/pkcs11/soft_token.h"
#include "protocol/base/fault.h"
#include "protocol/base/fd.h"

namespace coprotect::hsm::pkcs11 {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxCopy = std::size_t{16} << 20;
// In a token's folder.
constexpr const char* kCopy = ".coprotect-copy";
constexpr std::string_view kDamaged = ".coprotect-damaged-";
constexpr const char* kCheck = ".coprotect-check";
// The replaced copy, until it is overwritten. Named like a file that replace_file() leaves if it is killed.
constexpr const char* kOld = "..coprotect-copy.old";
constexpr std::size_t kMostDamaged = 8;  // bounded, so that they do not fill the disk
constexpr const char* kRestore =
    "restore this agent with \"coprotect-provision restore\" (docs/runbooks/company-lost.md), or its key "
    "with "
    "the other agents and the recovery code";

Error cannot(std::string_view what, const fs::path& which, int error = errno) {
  return {Code::unavailable, std::string("cannot ").append(what) + " \"" + which.string() +
                                 "\": " + std::error_code(error, std::generic_category()).message()};
}

Status make_folder(const fs::path& folder) {
  if (mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return Done{};
  return cannot("make", folder);
}

// lstat() of the path; none if there is nothing or it fails.
std::optional<struct stat> look_at(const fs::path& what) {
  struct stat about {};
  return lstat(what.c_str(), &about) == 0 ? std::optional(about) : std::nullopt;
}

// A token's folder is used only if it belongs to this user alone. Another user who could write there, or
// replace it by a link, would decide what is read and overwritten with this user's rights.
bool is_ours(const fs::path& folder) {
  const auto about = look_at(folder);
  if (!about || !S_ISDIR(about->st_mode) || about->st_uid != geteuid()) return false;
  if (geteuid() != 0) return true;
  constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;
  const auto above = look_at(folder.parent_path() / ".");
  return (about->st_mode & kOthersWrite) == 0 && above && above->st_uid == 0 &&
         ((above->st_mode & kOthersWrite) == 0 || (above->st_mode & S_ISVTX) != 0);
}

// Overwrites a file's content with zeros, as far as the file system does that in place.
void overwrite(const Fd& file) {
  struct stat about {};
  if (!file || fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) return;
  const Bytes zeros(static_cast<std::size_t>(about.st_size));
  if (pwrite(file.get(), zeros.data(), zeros.size(), 0) >= 0) static_cast<void>(fsync(file.get()));
}

Fd to_overwrite(const fs::path& file) {
  return Fd(::open(file.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

// Removes a file, or a folder with everything in it, and overwrites the content. Of a link, removes only the
// link.
Status wipe(const fs::path& what) {
  std::error_code failure;
  const auto type = fs::symlink_status(what, failure).type();
  if (type == fs::file_type::regular) overwrite(to_overwrite(what));
  if (type == fs::file_type::directory) {
    failure.clear();
    for (fs::recursive_directory_iterator at(what, failure);
         !failure && at != fs::recursive_directory_iterator(); at.increment(failure)) {
      std::error_code unknown;
      if (fs::is_regular_file(at->symlink_status(unknown))) overwrite(to_overwrite(at->path()));
    }
    if (failure)
      return Error(Code::unavailable, "cannot read \"" + what.string() + "\": " + failure.message());
  }
  fs::remove_all(what, failure);
  if (failure)
    return Error(Code::unavailable, "cannot remove \"" + what.string() + "\": " + failure.message());
  return Done{};
}

std::string utc_name() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[sizeof "20260131T080000Z"];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return text;
}

Status write_files(const SoftToken& token, const fs::path& folder) {
  if (auto made = make_folder(folder); !made) return made;
  for (const auto& [name, content] : token.files)
    if (auto written = replace_file(folder / name, content); !written) return written;
  return Done{};
}

// With the group and mode of the damaged file: others may need to read it.
Status put_file_back(const fs::path& file, ByteView content) {
  const auto before = look_at(file);
  if (auto written = replace_file(file, content); !written) return written;
  if (!before || !S_ISREG(before->st_mode)) return Done{};
  const Fd fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  const bool is_grouped = fd && fchown(fd.get(), static_cast<uid_t>(-1), before->st_gid) == 0;
  if (is_grouped) static_cast<void>(fchmod(fd.get(), before->st_mode & 0777));
  return Done{};
}

// The token's own file comes last: while it is damaged, everything is restored again.
Status put_back(const SoftToken& token, const fs::path& folder) {
  for (const auto& [name, content] : token.files)
    if (name != SoftToken::kTokenFile)
      if (auto written = put_file_back(folder / name, content); !written) return written;
  fault_point("token copy: the objects are put back");
  return put_file_back(folder / SoftToken::kTokenFile, token.files.at(SoftToken::kTokenFile));
}

// The entries of a folder whose names have this prefix, in order; none if it cannot be read.
std::vector<fs::path> entries_of(const fs::path& folder, std::string_view beginning = {}) {
  std::vector<fs::path> found;
  std::error_code failure;
  for (fs::directory_iterator at(folder, failure); !failure && at != fs::directory_iterator();
       at.increment(failure))
    if (at->path().filename().string().starts_with(beginning)) found.push_back(at->path());
  std::ranges::sort(found);
  return found;
}

// The token folders that belong to this user.
std::vector<fs::path> our_folders(const fs::path& tokens) {
  auto folders = entries_of(tokens);
  std::erase_if(folders, [](const fs::path& folder) { return !is_ours(folder); });
  return folders;
}

// Whether this is a temporary name that replace_file() gives to a file of ours (hsm/durable_file.cc).
bool is_left_over(std::string_view name) {
  constexpr std::string_view kEnding = ".XXXXXX";
  if (name.starts_with("..coprotect-")) return true;
  if (name.size() <= kEnding.size() + 1 || name.front() != '.') return false;
  const auto file = name.substr(1, name.size() - 1 - kEnding.size());
  return name[name.size() - kEnding.size()] == '.' && file.ends_with(".object");
}

// Wipes what killed helpers left while writing. The caller holds the folder's lock, so nobody is writing now.
Status wipe_left_over(const fs::path& folder) {
  for (const fs::path& file : entries_of(folder, "."))
    if (is_left_over(file.filename().string())) {
      // After a kill before the new copy existed, it is a second name of the copy itself.
      const auto about = look_at(file);
      const bool is_copy = file.filename() == kOld && about && about->st_nlink > 1;
      if (auto gone = is_copy ? remove_file(file) : wipe(file); !gone) return gone;
    }
  return Done{};
}

// A lock on a token's folder; empty if another program keeps it locked, or the file system has no locks.
Fd lock_folder(const fs::path& folder, int how) {
  Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  while (fd && flock(fd.get(), how) != 0)
    if (errno != EINTR) fd.reset();
  return fd;
}

Fd lock_folder_soon(const fs::path& folder) {
  constexpr std::chrono::milliseconds kLook(20);
  Fd lock = lock_folder(folder, LOCK_EX | LOCK_NB);
  for (int tries = 50; !lock && tries > 0 && errno == EWOULDBLOCK; --tries) {
    std::this_thread::sleep_for(kLook);
    lock = lock_folder(folder, LOCK_EX | LOCK_NB);
  }
  return lock;
}

// Sets SOFTHSM2_CONF while the object lives.
class OtherConfiguration {
 public:
  explicit OtherConfiguration(const fs::path& file) {
    if (const char* const before = std::getenv(kName)) before_ = before;
    setenv(kName, file.c_str(), 1);
  }
  OtherConfiguration(const OtherConfiguration&) = delete;
  OtherConfiguration& operator=(const OtherConfiguration&) = delete;
  ~OtherConfiguration() { before_ ? setenv(kName, before_->c_str(), 1) : unsetenv(kName); }

 private:
  static constexpr const char* kName = "SOFTHSM2_CONF";
  std::optional<std::string> before_;
};

Result<SoftToken> read_copy(const fs::path& folder) {
  const auto content = read_secret_file(folder / kCopy, kMaxCopy);
  if (!content) return content.error();
  auto token = SoftToken::parse(*content);
  if (!token) return std::move(token).error().in("\"" + (folder / kCopy).string() + "\"");
  return token;
}

// Whether the files in a folder are damaged compared with their copy, and both. A copy belongs to the folder
// that it is in, even if that was renamed.
struct Damaged {
  SoftToken token;
  SoftToken copy;
};
std::optional<Damaged> damaged_in(const fs::path& folder) {
  auto copy = read_copy(folder);
  if (!copy) return std::nullopt;  // explain_soft_tokens() reports it if it matters
  auto token = SoftToken::read(folder);
  if (!token || !token->damage(*copy)) return std::nullopt;
  return Damaged{.token = *std::move(token), .copy = *std::move(copy)};
}

// Reads both again under the lock: a copy that was read earlier may hold a root that has been destroyed
// since.
Status put_back_if_damaged(const fs::path& folder) {
  if (!damaged_in(folder)) return Done{};
  const Fd lock = lock_folder_soon(folder);
  if (!lock) return cannot("put the software token's damaged files back without a lock on", folder);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // lets a program finish writing it
  const auto found = damaged_in(folder);
  if (!found) return Done{};
  const fs::path aside = folder / (std::string(kDamaged) + utc_name());
  if (entries_of(folder, kDamaged).size() < kMostDamaged)
    if (auto kept = replace_file(aside, found->token.encode()); !kept)
      return std::move(kept).error().in("the software token's damaged files");
  if (auto back = put_back(found->copy, folder); !back)
    return std::move(back).error().in(
        "the software token's files are damaged, and its copy cannot be put back");
  return Done{};
}

// The serial number in a folder's copy; empty if there is none.
std::string serial_of_copy(const fs::path& folder) {
  const auto copy = read_copy(folder);
  return copy ? copy->serial() : std::string();
}

Status verify(const SoftToken& token, const fs::path& check, const std::function<Status()>& opens) {
  const fs::path tokens = check / "tokens";
  if (auto made = make_folder(check); !made) return made;
  if (auto made = make_folder(tokens); !made) return made;
  if (auto written = write_files(token, tokens / token.folder); !written) return written;
  const std::string configuration =
      "directories.tokendir = " + tokens.string() + "\nobjectstore.backend = file\nlog.level = ERROR\n";
  if (auto written = replace_file(check / "softhsm2.conf", bytes_of(configuration)); !written) return written;
  const OtherConfiguration other(check / "softhsm2.conf");
  auto opened = opens();
  if (!opened) return std::move(opened).error().in("the copy does not open");
  return Done{};
}

// Finds the token with this serial number. Code::not_found if it is in none of this user's folders, and all
// were read.
Result<SoftToken> find_token(std::string_view serial, fs::path& folder) {
  const auto tokens = soft_tokens();
  if (!tokens) return tokens.error();
  if (!*tokens) return Error(Code::not_found, "SoftHSM2 does not keep its tokens in files here");
  auto token = SoftToken::find(**tokens, serial, is_ours);
  if (token) folder = **tokens / token->folder;
  return token;
}

// A copy made by another user's program contains what is to be erased, and must not be touched. SoftHSM2 has
// opened the token, so unreadable folders belong to other tokens.
Status check_no_copy_of_others(std::string_view serial) {
  const auto tokens = soft_tokens();
  if (!tokens) return tokens.error();
  if (!*tokens) return Done{};
  for (const fs::path& folder : entries_of(**tokens)) {
    const auto token = SoftToken::read(folder);
    const fs::path copy = folder / kCopy;
    if (!token || token->serial() != serial || (!look_at(copy) && errno == ENOENT)) continue;
    return Error(Code::unavailable,
                 "\"" + copy.string() + "\" is another user's, and may have what is to be erased");
  }
  return Done{};
}

}  // namespace

std::vector<NotPutBack> put_back_damaged_soft_tokens() {
  const auto tokens = soft_tokens();
  std::vector<NotPutBack> failed;
  if (!tokens || !*tokens) return failed;
  for (const fs::path& folder : our_folders(**tokens))
    if (auto back = put_back_if_damaged(folder); !back)
      failed.push_back({.serial = serial_of_copy(folder), .why = std::move(back).error()});
  return failed;
}

Fd lock_soft_token(std::string_view serial) {
  fs::path folder;
  return find_token(serial, folder) ? lock_folder(folder, LOCK_EX) : Fd();
}

Error explain_soft_tokens(Error why) {
  const auto tokens = soft_tokens();
  if (!tokens || !*tokens) return why;
  for (const fs::path& folder : our_folders(**tokens)) {
    const auto token = SoftToken::read(folder);
    const auto broken = token ? token->broken() : std::nullopt;
    if (!broken) continue;
    const auto copy = read_copy(folder);
    return {Code::altered, why.message() + "; the software token in \"" + folder.string() +
                               "\" is damaged: " + *broken + "; " +
                               (copy ? "its copy does not have that file"
                                     : "there is no copy of it: " + copy.error().message()) +
                               ". Put the token's files back from a copy of your own, or " + kRestore};
  }
  return why;
}

namespace {

// The old copy keeps a name until it is overwritten, so that a kill in between leaves no unnamed copy.
Status replace_copy(const fs::path& folder, ByteView copy) {
  const Fd old = to_overwrite(folder / kCopy);  // for a file system without links
  std::error_code without_links;
  fs::create_hard_link(folder / kCopy, folder / kOld, without_links);
  if (auto replaced = replace_file(folder / kCopy, copy); !replaced) return replaced;
  fault_point("token copy: the copy is replaced");
  overwrite(old);
  return wipe(folder / kOld);
}

Status wipe_old(const fs::path& folder, bool erases) {
  if (auto wiped = wipe(folder / kCheck); !wiped) return wiped;
  if (auto wiped = wipe_left_over(folder); !wiped) return wiped;
  if (!erases) return Done{};
  for (const fs::path& damaged : entries_of(folder, kDamaged))
    if (auto wiped = wipe(damaged); !wiped) return wiped;
  return Done{};
}

}  // namespace

Status keep_soft_token(std::string_view serial, bool erases, const std::function<Status()>& opens) {
  fs::path folder;
  const auto live = find_token(serial, folder);
  // The token is in a database, on another host, or another user's.
  if (!live && live.error().code() == Code::not_found)
    return erases ? check_no_copy_of_others(serial) : Done{};
  if (!live) return live.error();
  if (auto wiped = wipe_old(folder, erases); !wiped) return wiped;
  const auto before = read_copy(folder);
  if (const auto damage = before ? live->damage(*before) : std::nullopt)
    return Error(Code::unavailable, "the software token is damaged and its older copy is kept: " + *damage);
  // What is gone may have been lost on the disk: only what is erased leaves the copy, too.
  const SoftToken token = before && !erases ? live->whole().with_all_of(*before) : live->whole();
  if (before && before->same_as(token)) return Done{};
  auto verified = verify(token, folder / kCheck, opens);
  auto wiped = wipe(folder / kCheck);
  if (!verified) return verified;
  if (!wiped) return wiped;
  return replace_copy(folder, token.encode());
}

std::string notice_of_soft_token(std::string_view serial) {
  fs::path folder;
  const auto live = find_token(serial, folder);
  if (!live) return {};
  if (const auto copy = read_copy(folder))
    if (const std::size_t lacking = live->lacks_of(*copy); lacking > 0)
      return "the software token lacks " + std::to_string(lacking) + " of the objects that its copy \"" +
             (folder / kCopy).string() +
             "\" has, or they are damaged: put the token's files back from a copy of your own, or remove the "
             "copy if you know that they are meant to be gone";
  const auto damaged = entries_of(folder, kDamaged);
  if (damaged.empty()) return {};
  return "the files of the software token were damaged and were put back from their copy, at " +
         damaged.back().filename().string().substr(kDamaged.size()) + "; the damaged ones are in \"" +
         damaged.back().string() + "\": look for the cause, then remove that file";
}

}  // namespace coprotect::hsm::pkcs11
