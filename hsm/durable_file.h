#pragma once

#include <filesystem>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace coprotect::hsm {

// Writes a new file (0600), complete and on the disk or not at all: a crash at any moment leaves no file of
// that name, or all of it. Code::conflict if there is one already, which is left as it is; Code::unavailable
// if the disk refuses.
Status write_new_file(const std::filesystem::path& file, ByteView content);

// Puts a file (0600) at a name, in place of the one that is there: a crash at any moment leaves the old one
// or all of the new one. Code::unavailable if the disk refuses.
Status replace_file(const std::filesystem::path& file, ByteView content);

// Removes a file, durably. Done if there is none.
Status remove_file(const std::filesystem::path& file);

// Code::not_found if there is no such file, Code::altered if it is longer than `limit`, Code::unavailable.
Result<Bytes> read_file(const std::filesystem::path& file, std::size_t limit);

}  // namespace coprotect::hsm
