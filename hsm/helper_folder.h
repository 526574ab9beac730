#pragma once

#include <filesystem>

#include "protocol/base/result.h"

namespace coprotect::hsm {

// The folder of coprotect-token and the agent's other helper programs, for a program in the folder
// `programs`: that folder itself if coprotect-token is in it, as in a build. Otherwise the libexec folder of
// the same installation.
std::filesystem::path helper_folder_of(const std::filesystem::path& programs);

// The same for this process's own executable. Code::internal if the system does not say where that is.
Result<std::filesystem::path> helper_folder();

}  // namespace coprotect::hsm
