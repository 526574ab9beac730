#pragma once

#include <filesystem>
#include <vector>

#include "protocol/message/key_list.h"

namespace coprotect::provisioning {

// What is known of the files that nobody could open any more.
struct AffectedFiles {
  std::vector<std::filesystem::path> unreadable;  // sorted
  std::size_t looked_at = 0;                      // encrypted files
  std::vector<std::filesystem::path> unknown;     // not to be read, or none of ours
};

// Looks through folders (links are not followed) at the headers of all *.cop files: which of them have no
// stanza but of this key and of keys that the list destroys. Code::not_found for a folder that cannot be
// read.
Result<AffectedFiles> affected_files(const std::vector<std::filesystem::path>& folders,
                                     const protocol::KeyId& key_id, const protocol::KeyList& list);

}  // namespace coprotect::provisioning
