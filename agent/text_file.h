#pragma once

#include <filesystem>
#include <string>

#include "protocol/base/result.h"

namespace coprotect::agent {

// The content of a regular file of at most 1 MiB that is not secret. Code::not_found, naming the file, if it
// cannot be read, or is none.
Result<std::string> read_text_file(const std::filesystem::path& file);

}  // namespace coprotect::agent
