#pragma once

#include <filesystem>

#include "protocol/base/random.h"
#include "protocol/base/result.h"

namespace coprotect::provisioning {

struct BackupOptions {
  std::filesystem::path directory;  // the agent's
  std::filesystem::path out;        // a new folder
};
// Copies an agent's folder while the agent runs: configuration, identity certificate, keyring, open
// invitations, and the store together with the sealing keys of its epochs, in one state. The TLS key is not
// copied; a restore makes a new one. The copy (0700) appears complete or not at all, and is on the disk. It
// is useless without the agent's token: keyring, shares and invitations are wrapped.
Status back_up(const BackupOptions& options);

struct RestoreBackupOptions {
  std::filesystem::path from;          // the folder that back_up() made
  std::filesystem::path directory;     // where the agent's folder is to be
  std::filesystem::path token_helper;  // the coprotect-token executable
};
// Makes an agent's folder from a backup, with a new TLS certificate, and marks its store as restored: the
// agent serves nothing until another agent has told it what it lacks. An existing folder is moved to
// DIRECTORY.replaced-TIME. Code::conflict if an agent runs in that folder, its store is newer than the
// backup's, or it belongs to another agent. Code::altered if shares were erased since the backup was made:
// the backup then opens nothing.
Status restore_backup(const RestoreBackupOptions& options, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
