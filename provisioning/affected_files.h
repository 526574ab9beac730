#pragma once

#include <filesystem>
#include <vector>

#include "protocol/message/key_list.h"

namespace coprotect::provisioning {

// What is known of the files that nobody could open any more. Each list is sorted.
struct AffectedFiles {
  std::vector<std::filesystem::path> unreadable;
  std::size_t looked_at = 0;                         // encrypted files
  std::size_t others = 0;                            // regular files that are not encrypted
  std::vector<std::filesystem::path> unknown;        // files and folders that cannot be read, broken headers
  std::vector<std::filesystem::path> not_looked_at;  // links, and what else is no regular file
};

// Looks at all regular files in these folders, and at files that are named, whatever their names end in:
// which encrypted ones have no stanza but of this key and of keys that the list destroys. Links that are
// named are followed, others are not, as by `coprotect rewrap -r`. Code::not_found for a name at which
// nothing can be read.
Result<AffectedFiles> affected_files(const std::vector<std::filesystem::path>& folders,
                                     const protocol::KeyId& key_id, const protocol::KeyList& list);

}  // namespace coprotect::provisioning
