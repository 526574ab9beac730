#pragma once

#include <filesystem>

#include "protocol/base/result.h"

namespace coprotect::provisioning {

// An agent's operator brings back entries of its log that rotted in the store. Run on the agent's host, as
// the agent's user, whether the agent runs or not.
struct RepairLogOptions {
  std::filesystem::path directory;     // the agent's folder
  std::filesystem::path from;          // a folder that backup made
  std::filesystem::path token_helper;  // the coprotect-token executable
};
// Finds the damaged entries by the hashes that the log's chain demands, and leaves those that the backup has
// for the agent's next start (hsm/log_repair_files.h). The store is only read. Code::not_found if the backup
// lacks one, Code::altered if it is more than entries that is damaged.
Status repair_log(const RepairLogOptions& options);

}  // namespace coprotect::provisioning
