#pragma once

#include <filesystem>
#include <optional>

#include "protocol/base/result.h"

namespace coprotect::provisioning {

// An agent's operator moves the beginning of its log to an archive. Run on the agent's host, as the agent's
// user, whether the agent runs or not.
struct ArchiveLogOptions {
  std::filesystem::path directory;     // the agent's folder
  std::filesystem::path token_helper;  // the coprotect-token executable
  std::optional<unsigned> older_than;  // days; none: shows where the log begins
  std::filesystem::path to;            // the archive, a new file
  bool unheard = false;                // does not wait for agents that cannot be heard
  unsigned wait_seconds = 20;          // for the running agent
};
// Writes the entries from the log's beginning to the newest one of that age, verified against the log's
// signed head. Reads the file again and verifies it. Only then lets the agent remove them
// (hsm/log_cut_request.h). Code::not_found if no entry is that old.
Status archive_log(const ArchiveLogOptions& options, std::int64_t now_ms);

}  // namespace coprotect::provisioning
