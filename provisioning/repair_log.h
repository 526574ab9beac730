#pragma once

#include <filesystem>

#include "protocol/base/result.h"

namespace coprotect::provisioning {

// An agent's operator restores log entries that were damaged in the store. Run on the agent's host, as the
// agent's user, whether the agent runs or not.
struct RepairLogOptions {
  std::filesystem::path directory;     // the agent's folder
  std::filesystem::path from;          // a folder that backup made
  std::filesystem::path token_helper;  // the coprotect-token executable
};
// Finds damaged entries through the hashes in the log's chain, and leaves the backup's copies for the agent's
// next start (hsm/log_repair_files.h). It only reads the store. Code::not_found if the backup lacks an entry,
// Code::altered if more than entries is damaged.
Status repair_log(const RepairLogOptions& options);

}  // namespace coprotect::provisioning
