#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "protocol/base/bytes.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace coprotect::client {

// A path as messages show it.
std::string in_quotes(const std::filesystem::path& path);

// The error for errno: "cannot be read: permission denied". Code::not_found, denied, conflict or, for a full
// or broken disk, unavailable.
Error os_error(std::string_view what);

// Reads until `out` is full or the input ends. Returns the number of bytes read.
Result<std::size_t> read_full(int fd, std::span<std::uint8_t> out);
// The same at an offset of a regular file.
Result<std::size_t> read_full_at(int fd, std::span<std::uint8_t> out, std::uint64_t offset);
Status write_all(int fd, ByteView bytes);
Status write_all_at(int fd, ByteView bytes, std::uint64_t offset);

}  // namespace coprotect::client
