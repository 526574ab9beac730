#pragma once

#include <filesystem>
#include <string>

#include "protocol/base/result.h"

namespace coprotect::agent {

// The content of a file that is no secret. Code::not_found, naming it, if it cannot be read.
Result<std::string> read_text_file(const std::filesystem::path& file);

}  // namespace coprotect::agent
