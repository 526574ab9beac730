#pragma once

#include <filesystem>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::client {

// The whole content of a file. Errors name the file; Code::malformed if it is longer than `limit`.
Result<Bytes> read_small_file(const std::filesystem::path& file, std::size_t limit);
// The same, in locked memory only. Code::malformed if the file is open to others (is_kept_secret()).
Result<Secret> read_secret_file(const std::filesystem::path& file, std::size_t limit);

}  // namespace coprotect::client
