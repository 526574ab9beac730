#pragma once

#include <filesystem>

#include "protocol/recovery/kit.h"

namespace coprotect::provisioning {

// Whether a kit may be written to a file: there is none of that name, or it is this kit, perhaps with another
// certificate for the same key or an older bundle. Code::conflict for any other file, which may be the only
// kit of another key or code.
Status check_place_of_kit(const std::filesystem::path& file, const protocol::RecoveryKit& kit);

}  // namespace coprotect::provisioning
