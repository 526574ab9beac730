#pragma once

#include <filesystem>

#include "protocol/recovery/kit.h"

namespace coprotect::provisioning {

// Code::conflict unless a kit may be written to this file: the file does not exist, or contains this kit,
// possibly with another certificate for the same key or an older bundle. Any other file may be the only kit
// of another key or code.
Status check_place_of_kit(const std::filesystem::path& file, const protocol::RecoveryKit& kit);

}  // namespace coprotect::provisioning
