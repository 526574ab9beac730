#pragma once

#include <chrono>

#include "hsm/share_keeper.h"
#include "hsm/token.h"

namespace coprotect::hsm {

// Sealed mode (any token, any suite): the token seals a wrapping key, the share is wrapped under it with
// AES-256-GCM, and is unwrapped into locked memory for use. An unwrapped share is kept for `hold` after its
// last use; zero unseals for every call.
std::unique_ptr<ShareKeeper> make_sealed_keeper(TokenConfig token, std::chrono::milliseconds hold);

}  // namespace coprotect::hsm
