#pragma once

#include <filesystem>

#include "protocol/base/random.h"
#include "protocol/base/result.h"

namespace coprotect::provisioning {

struct BackupOptions {
  std::filesystem::path directory;  // the agent's
  std::filesystem::path out;        // a new folder
};
// Copies an agent's folder while the agent runs: configuration, identity certificate, keyring, invitations
// that are open, and the store with the sealing keys of its epochs in one state. Not its TLS key, which is
// made anew. The copy (0700) is there in whole or not at all, and on the disk. It opens nothing without the
// agent's token: keyring, shares and invitations are wrapped.
Status back_up(const BackupOptions& options);

struct RestoreBackupOptions {
  std::filesystem::path from;          // what back_up() made
  std::filesystem::path directory;     // where the agent's folder shall be
  std::filesystem::path token_helper;  // the coprotect-token executable
};
// Makes an agent's folder from a backup, with a new TLS certificate, and marks its store as restored: the
// agent serves nothing until another agent told it what it lacks. A folder that is there already is moved to
// DIRECTORY.replaced-TIME. Code::conflict if an agent runs in it, or its store is newer than the backup's, or
// it is another agent's. Code::altered if shares were erased since the backup was made: it opens nothing
// then.
Status restore_backup(const RestoreBackupOptions& options, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
