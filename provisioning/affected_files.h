#pragma once

#include <filesystem>
#include <vector>

#include "protocol/message/key_list.h"

namespace coprotect::provisioning {

// What is known about the files that could no longer be opened. Each list is sorted.
struct AffectedFiles {
  std::vector<std::filesystem::path> unreadable;
  std::size_t looked_at = 0;                         // encrypted files
  std::size_t others = 0;                            // regular files that are not encrypted
  std::vector<std::filesystem::path> unknown;        // unreadable files and folders, broken headers
  std::vector<std::filesystem::path> not_looked_at;  // links, and everything else that is not a regular file
};

// Examines all regular files in these folders, and named files with any extension. It reports the encrypted
// files whose stanzas are all for this key or for keys that the list destroys. Links that are named are
// followed, others are not, as in `coprotect rewrap -r`. Code::not_found for a name at which nothing can be
// read.
Result<AffectedFiles> affected_files(const std::vector<std::filesystem::path>& folders,
                                     const protocol::KeyId& key_id, const protocol::KeyList& list);

}  // namespace coprotect::provisioning
