#include "provisioning/backup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "hsm/agent_folder.h"
#include "hsm/durable_file.h"
#include "hsm/epoch_keys.h"
#include "hsm/erasure_holds.h"
#include "protocol/base/fault.h"
#include "protocol/crypto/hash.h"
#include "provisioning/agent_files.h"
#include "provisioning/agent_identity.h"
#include "provisioning/agent_store.h"
#include "provisioning/agent_tls.h"
#include "provisioning/as_owner.h"
#include "provisioning/clock.h"
#include "provisioning/durable.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStore = "store.db";
constexpr const char* kInvitations = "invitations";
constexpr const char* kMarker = "restored";
constexpr std::size_t kMaxEpochKeys = std::size_t{16} << 20;

struct File {
  const char* name;
  mode_t mode;  // in an agent's folder; in a backup all are private
};
constexpr File kFiles[] = {{"agent.toml", kPublicMode},
                           {"identity.pem", kPublicMode},
                           {"organisation", kPublicMode},
                           {"keyring", kPrivateMode}};

Status copy_file(const fs::path& from, const fs::path& to, mode_t mode) {
  const auto content = client::read_small_file(from, kMaxFile);
  if (!content) return content.error();
  return write_durable(to, *content, mode);
}

// The agent may have written these files, so no link among them is followed.
Status copy_written_file(const fs::path& from, const fs::path& to) {
  const auto content = hsm::read_file(from, kMaxFile);
  if (!content) return content.error();
  return write_durable(to, *content, kPrivateMode);
}

// The present sealing keys of the epochs. Empty if the agent never had any.
Result<Bytes> epoch_keys_of(const fs::path& state) {
  auto content = hsm::read_file(state / hsm::kEpochKeysFile, kMaxEpochKeys);
  if (!content && content.error().code() == Code::not_found) return Bytes{};
  return content;
}

// Copies the store and the keys that open it, from one point in time. The agent writes a key before what it
// seals, and destroys it after that has gone from the store. A switch of the root makes all older copies of
// the keys useless. So both are copied again until the keys are the same before and after.
Status copy_store_and_epoch_keys(const fs::path& from, const fs::path& to) {
  constexpr int kTries = 20;
  auto keys = epoch_keys_of(from);
  for (int tries = 0; keys && tries < kTries; ++tries) {
    std::error_code ignored;
    fs::remove(to / kStore, ignored);
    fault_point("backup: the store is to be copied");
    if (auto copied = copy_store(from / kStore, to / kStore); !copied) return copied;
    auto again = epoch_keys_of(from);
    if (again && *again == *keys)
      return keys->empty() ? Status(Done{}) : write_durable(to / hsm::kEpochKeysFile, *keys, kPrivateMode);
    keys = std::move(again);
  }
  if (!keys) return std::move(keys).error();
  return Error(Code::unavailable, "the agent changes its keys all the time: try again later");
}

// A backup is useful while the token has the root of its sealing keys. The saved agent may still live in
// another folder, so nothing in the token is changed.
Status check_epoch_keys(const fs::path& folder, const AgentIdentity& agent) {
  const fs::path state = hsm::state_of(folder);
  const auto sealed = has_keys(state / kStore);
  if (!sealed) return sealed.error();
  if (auto usable = hsm::EpochKeys(agent.token, state / hsm::kEpochKeysFile)
                        .check(*sealed ? hsm::Sealed::before : hsm::Sealed::never);
      !usable)
    return with_hint(std::move(usable).error(),
                     "shares were erased since this backup was made, by a refresh for example, and no backup "
                     "from before opens any more; use a newer backup");
  return Done{};
}

// Copies small files of a subfolder, if it exists. Skips everything that is not a regular file.
Status copy_folder(const fs::path& from, const fs::path& to) {
  if (auto made = make_private_directory(to); !made) return made;
  if (auto own = hsm::check_no_link(from); !own)
    return own.error().code() == Code::not_found ? Status(Done{}) : own;
  std::error_code failure;
  for (fs::directory_iterator entry(from, failure), end; !failure && entry != end; entry.increment(failure)) {
    std::error_code unknown;
    const fs::file_type type = entry->symlink_status(unknown).type();
    if (type != fs::file_type::regular && type != fs::file_type::none) continue;
    if (auto copied = copy_written_file(entry->path(), to / entry->path().filename());
        !copied && copied.error().code() != Code::not_found)  // used meanwhile
      return copied;
  }
  if (failure && failure != std::errc::no_such_file_or_directory)
    return Error(Code::unavailable, "cannot read \"" + from.string() + "\": " + failure.message());
  return Done{};
}

// Creates and fills a new folder beside `target`, and `place` moves it there. Nothing is left if a step
// fails.
template <typename Fill, typename Place>
Status make_folder(const fs::path& target, Fill fill, Place place) {
  std::string temporary = target.string() + ".tmp-XXXXXX";
  if (mkdtemp(temporary.data()) == nullptr)
    return Error(Code::unavailable, "cannot make a folder in \"" + target.parent_path().string() +
                                        "\": " + std::strerror(errno));
  Status status = fill(fs::path(temporary));
  if (status) status = sync_directory(temporary);
  if (status) status = place(fs::path(temporary));
  if (!status) {
    // The caller needs the first failure.
    if (auto removed = remove_tree(temporary); !removed) return status;
  }
  return status;
}

bool is_agents_folder(const fs::path& directory) {
  std::error_code ignored;
  return fs::exists(directory / "agent.toml", ignored) && fs::exists(directory / "keyring", ignored);
}

// The open invitations, and the operator's holds of erasures. They are copied before the store: the store
// knows an invitation that is used meanwhile as used, and has the last word on erasures.
Status copy_folders(const fs::path& from, const fs::path& to) {
  const fs::path state = hsm::state_of(to);
  if (auto made = make_private_directory(state); !made) return made;
  if (auto copied = copy_folder(hsm::state_of(from) / kInvitations, state / kInvitations); !copied)
    return copied;
  return copy_folder(from / hsm::ErasureHolds::kFolder, to / hsm::ErasureHolds::kFolder);
}

// What the agent writes.
Status copy_state(const fs::path& from, const fs::path& to) {
  if (auto copied = copy_folders(from, to); !copied) return copied;
  const fs::path state = hsm::state_of(to);
  if (auto copied = copy_store_and_epoch_keys(hsm::state_of(from), state); !copied) return copied;
  return sync_directory(state);
}

// Copies the agent's record of a refused PIN, unless an earlier run of this command made a later one.
Status copy_refused_pin(const fs::path& folder, const fs::path& to) {
  std::error_code ignored;
  if (fs::exists(to, ignored)) return Done{};
  const auto noted = hsm::read_file(hsm::state_of(folder) / hsm::kRefusedPinFile, kMaxFile);
  // The remains of the folder may be damaged. That must not prevent a restore.
  return noted ? hsm::replace_file(to, *noted) : Status(Done{});
}

Status fill_agent(const fs::path& folder, const RestoreBackupOptions& options, std::int64_t now_ms,
                  Random& random) {
  for (const File& file : kFiles)
    if (auto copied = copy_file(options.from / file.name, folder / file.name, file.mode); !copied)
      return copied;
  if (auto copied = copy_state(options.from, folder); !copied) return copied;
  if (auto marked = write_durable(hsm::state_of(folder) / kMarker, bytes_of("at " + utc_text(now_ms) + "\n"),
                                  kPrivateMode);
      !marked)
    return marked;
  // The token must be the one with which it was made. It also signs the new TLS certificate.
  const fs::path target = without_slash(options.directory);
  const fs::path refused_pin = refused_pin_beside(target);
  for (const fs::path& known : {target, options.from})
    if (auto copied = copy_refused_pin(known, refused_pin); !copied) return copied;
  std::error_code ignored;
  auto agent = AgentIdentity::open(folder, options.token_helper, refused_pin,
                                   fs::exists(target, ignored) ? target : options.from);
  if (!agent) return std::move(agent).error();
  if (auto usable = check_epoch_keys(folder, *agent); !usable) return usable;
  return write_tls(folder, *agent, now_ms, random);
}

// Checks that the existing folder may be replaced. Returns the lock that keeps its agent from starting.
Result<StoreLock> check_replaceable(const fs::path& target, const fs::path& from, std::uint64_t saved) {
  constexpr std::string_view kHint = "if this backup is what you want, move that folder away first";
  if (!is_agents_folder(target))
    return with_hint(Error(Code::conflict, "\"" + target.string() + "\" holds something else"), kHint);
  const fs::path store = hsm::state_of(target) / kStore;
  auto lock = StoreLock::acquire(store);
  if (!lock) return with_hint(std::move(lock).error(), "stop the agent first");
  const auto own = client::read_small_file(from / "identity.pem", kMaxFile);
  const auto there = client::read_small_file(target / "identity.pem", kMaxFile);
  if (!own) return own.error();
  if (!there || *own != *there)
    return with_hint(Error(Code::conflict, "\"" + target.string() + "\" is another agent's"), kHint);
  const auto present = last_log_entry(store);
  if (!present) return with_hint(present.error(), kHint);
  if (*present > saved)
    return with_hint(
        Error(Code::conflict, "the store in \"" + target.string() + "\" is newer than the backup: it has " +
                                  std::to_string(*present) + " entries, the backup " + std::to_string(saved)),
        kHint);
  return lock;
}

Error not_replaced(const fs::path& target) {
  const int cause = errno;
  Error error(Code::unavailable, "cannot replace \"" + target.string() + "\": " + std::strerror(cause));
  if (cause != EBUSY && cause != EXDEV) return error;
  return with_hint(std::move(error), "a mount point is not replaced: name a folder in it");
}

// Exchanges both folders' names in one step. First the new folder gets the name that the old one will have,
// so that a folder whose name contains .tmp- never holds the old contents.
Status exchange(const fs::path& made, const fs::path& target, std::int64_t now_ms) {
  const fs::path old = target.string() + ".replaced-" + utc_text(now_ms);
  if (auto named = rename_durable(made, old); !named) return named;
  fault_point("before the restored folder takes its place");
  if (renameat2(AT_FDCWD, old.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0) {
    auto error = not_replaced(target);
    static_cast<void>(bool(remove_tree(old)));
    return error;
  }
  fault_point("after the restored folder took its place");
  std::cout << "moved what was there to \"" << old.string() << "\"\n";
  return sync_directory(target.parent_path());
}

// Lets the agent report in health whether a backup opens what it has.
Status note_backup(const fs::path& agent, const fs::path& copied) {
  const auto keys = epoch_keys_of(copied);
  if (!keys) return keys.error();
  const Digest covered = keys->empty() ? Digest{} : protocol::sha256(*keys);
  const AsOwner as_owner(agent);
  if (auto noted = write_agents_file(hsm::state_of(agent) / hsm::kBackedUpFile, covered, kPrivateMode);
      !noted)
    return with_hint(std::move(noted).error(),
                     "the backup is made, but health of the agent will go on to say that it is needed");
  return Done{};
}

}  // namespace

Status back_up(const BackupOptions& options) {
  const fs::path target = without_slash(options.out);
  std::error_code ignored;
  if (!is_agents_folder(options.directory))
    return Error(Code::not_found, "\"" + options.directory.string() + "\" is not an agent's folder");
  if (fs::exists(target, ignored))
    return with_hint(Error(Code::conflict, "\"" + target.string() + "\" exists already"),
                     "each backup is a new folder");
  const auto fill = [&](const fs::path& folder) -> Status {
    for (const File& file : kFiles)
      if (auto copied = copy_file(options.directory / file.name, folder / file.name, kPrivateMode); !copied)
        return copied;
    return copy_state(options.directory, folder);
  };
  if (auto made =
          make_folder(target, fill, [&](const fs::path& folder) { return rename_durable(folder, target); });
      !made)
    return made;
  return note_backup(options.directory, hsm::state_of(target));
}

Status restore_backup(const RestoreBackupOptions& options, std::int64_t now_ms, Random& random) {
  const fs::path target = without_slash(options.directory);
  if (!is_agents_folder(options.from))
    return Error(Code::not_found, "\"" + options.from.string() + "\" is not a backup of an agent");
  if (auto own = check_no_symlink(target); !own) return own;
  const auto saved = last_log_entry(hsm::state_of(options.from) / kStore);
  if (!saved) return saved.error();
  std::error_code ignored;
  const bool replaces = fs::exists(target, ignored) && !fs::is_empty(target, ignored);
  std::optional<StoreLock> lock;
  if (replaces) {
    auto replaceable = check_replaceable(target, options.from, *saved);
    if (!replaceable) return std::move(replaceable).error();
    lock.emplace(*std::move(replaceable));
  }
  const auto fill = [&](const fs::path& folder) { return fill_agent(folder, options, now_ms, random); };
  return make_folder(target, fill, [&](const fs::path& made) {
    if (auto given = give_to_owner_of(target, made); !given) return given;
    return replaces ? exchange(made, target, now_ms) : rename_durable(made, target);
  });
}

}  // namespace coprotect::provisioning
