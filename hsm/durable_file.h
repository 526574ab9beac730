#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::hsm {

// Where it lies: "." for a name alone.
std::filesystem::path folder_of(const std::filesystem::path& file);

// Writes a new file (0600), complete and on the disk or not at all: a crash at any moment leaves no file of
// that name, or all of it. Code::conflict if there is one already, which is left as it is; Code::unavailable
// if the disk refuses.
Status write_new_file(const std::filesystem::path& file, ByteView content);

struct FileOwner {
  uid_t user;
  gid_t group;
};
// Whom a folder belongs to, if it is somebody else: what root's tool leaves there is to be that user's
// (provisioning/agent_files.h).
Result<std::optional<FileOwner>> other_owner(const std::filesystem::path& folder);

// Puts a file (0600) at a name, in place of the one that is there: a crash at any moment leaves the old one
// or all of the new one. Code::unavailable if the disk refuses.
// With an owner, the new file is that user's before it has its name.
Status replace_file(const std::filesystem::path& file, ByteView content,
                    const std::optional<FileOwner>& owner = std::nullopt);

// Removes a file, durably. Done if there is none.
Status remove_file(const std::filesystem::path& file);

// Code::not_found if there is no such folder, Code::altered if it is a link to one, or anything else.
Status check_no_link(const std::filesystem::path& folder);

// Code::not_found if there is no such file, Code::altered if it is longer than `limit`, or a link or anything
// else that is not a regular file, Code::unavailable.
Result<Bytes> read_file(const std::filesystem::path& file, std::size_t limit);
// The same of a file that holds secrets, if only sealed ones: Code::malformed if it is open to others.
Result<Bytes> read_secret_file(const std::filesystem::path& file, std::size_t limit);

}  // namespace coprotect::hsm
