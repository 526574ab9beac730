#pragma once

#include <sys/types.h>

#include <filesystem>

#include "protocol/base/bytes.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

// Files in an agent's folder. Its operator is root, and the agent runs as the user that the folder belongs
// to: what root leaves there must be that user's, or the agent cannot read it. Another user than root, whom
// the folder does not belong to either, cannot do that: Code::unavailable.
namespace coprotect::provisioning {

// As write_durable(); the file is its folder's owner's before it has its name.
Status write_agents_file(const std::filesystem::path& file, ByteView content, mode_t mode);
// Opens a file for reading and writing, and makes it, empty (0600), if there is none.
Result<Fd> open_agents_file(const std::filesystem::path& file);
// As make_private_directory(); the folder is that of the owner of the folder that it is in. Code::altered for
// a link.
Status make_agents_directory(const std::filesystem::path& directory);
// Gives a whole agent's folder to the owner of the one that it is to replace, if that is there: before it
// takes its place. No link in it is followed.
Status give_to_owner_of(const std::filesystem::path& replaced, const std::filesystem::path& folder);

}  // namespace coprotect::provisioning
