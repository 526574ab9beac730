#pragma once

#include <chrono>

#include "hsm/share_keeper.h"
#include "hsm/token.h"

namespace coprotect::hsm {

// Sealed mode (any token, any suite): the token seals a wrapping key, the share is wrapped under it and its
// epoch's key with AES-256-GCM, and is unwrapped into locked memory for use. An unwrapped share is kept for
// `hold` after its last use; zero unseals for every call. `token` must have a name (Token::named), `epochs`
// is the file of the epochs' keys (EpochKeys).
std::unique_ptr<ShareKeeper> make_sealed_keeper(Token token, std::filesystem::path epochs,
                                                std::chrono::milliseconds hold);

}  // namespace coprotect::hsm
