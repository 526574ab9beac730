#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::hsm {

// The folder of a file: "." for a bare name.
std::filesystem::path folder_of(const std::filesystem::path& file);

// Writes a new file (0600) completely and durably, or not at all: after a crash at any point, there is either
// no file of that name or the complete one. Code::conflict if there is one already, which is left unchanged;
// Code::unavailable if the disk fails.
Status write_new_file(const std::filesystem::path& file, ByteView content);

struct FileOwner {
  uid_t user;
  gid_t group;
};
// The owner of a folder, if it is not this process's user: files that root's tool leaves there must belong to
// that user (provisioning/agent_files.h).
Result<std::optional<FileOwner>> other_owner(const std::filesystem::path& folder);

// Writes a file (0600), replacing the existing one: a crash at any point leaves the old one or the complete
// new one. Code::unavailable if the disk fails. With an owner, the new file belongs to that user before it
// gets its name.
Status replace_file(const std::filesystem::path& file, ByteView content,
                    const std::optional<FileOwner>& owner = std::nullopt);

// Removes a file durably. Succeeds if there is none.
Status remove_file(const std::filesystem::path& file);

// Code::not_found if there is no such folder; Code::altered if it is a link or not a folder.
Status check_no_link(const std::filesystem::path& folder);

// Code::not_found if there is no such file; Code::altered if it is longer than `limit`, a link, or not a
// regular file; otherwise Code::unavailable.
Result<Bytes> read_file(const std::filesystem::path& file, std::size_t limit);
// The same for a file that holds secrets, even sealed ones: Code::malformed if other users can access it.
Result<Bytes> read_secret_file(const std::filesystem::path& file, std::size_t limit);

}  // namespace coprotect::hsm
