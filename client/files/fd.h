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

// A path as it stands in messages.
std::string in_quotes(const std::filesystem::path& path);

// What errno says went wrong: "cannot be read: permission denied". Code::not_found, denied, conflict or, for
// a disk that is full or broken, unavailable.
Error os_error(std::string_view what);

// Reads until `out` is full or the input ends; returns how much was read.
Result<std::size_t> read_full(int fd, std::span<std::uint8_t> out);
// The same at a place of a regular file.
Result<std::size_t> read_full_at(int fd, std::span<std::uint8_t> out, std::uint64_t offset);
Status write_all(int fd, ByteView bytes);
Status write_all_at(int fd, ByteView bytes, std::uint64_t offset);

}  // namespace coprotect::client
