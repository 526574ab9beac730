#pragma once

#include <sys/types.h>

#include <filesystem>

#include "protocol/base/bytes.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

// Files in an agent's folder. The operator is root, and the agent runs as the folder's owner. So a file that
// root writes there must belong to the owner, or the agent cannot read it. A user who is neither root nor the
// owner cannot do that: Code::unavailable.
namespace coprotect::provisioning {

// Like write_durable(). The file belongs to its folder's owner before it gets its name.
Status write_agents_file(const std::filesystem::path& file, ByteView content, mode_t mode);
// Opens a file for reading and writing. Creates it, empty (0600), if it is missing.
Result<Fd> open_agents_file(const std::filesystem::path& file);
// Like make_private_directory(). The folder gets its parent folder's owner. Code::altered for a link.
Status make_agents_directory(const std::filesystem::path& directory);
// Gives a complete agent folder to the owner of the folder that it will replace, if that exists. Call it
// before the replacement. Follows no link.
Status give_to_owner_of(const std::filesystem::path& replaced, const std::filesystem::path& folder);

}  // namespace coprotect::provisioning
