#pragma once

#include <filesystem>
#include <optional>

#include "protocol/base/result.h"

namespace coprotect::provisioning {

// An agent's operator takes the beginning of its log into an archive. Run on the agent's host, as the agent's
// user, whether the agent runs or not.
struct ArchiveLogOptions {
  std::filesystem::path directory;     // the agent's folder
  std::filesystem::path token_helper;  // the coprotect-token executable
  std::optional<unsigned> older_than;  // days; none: shows where the log begins
  std::filesystem::path to;            // the archive, a new file
  bool unheard = false;                // does not wait for agents that are not heard
  unsigned wait_seconds = 20;          // for the agent that runs
};
// Writes the entries from where the log begins to the newest that is older than that, verified against the
// log's signed head; reads the file again and verifies it; and only then has the agent remove them
// (hsm/log_cut_request.h). Code::not_found if no entry is that old.
Status archive_log(const ArchiveLogOptions& options, std::int64_t now_ms);

}  // namespace coprotect::provisioning
