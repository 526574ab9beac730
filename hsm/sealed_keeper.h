#pragma once

#include <chrono>

#include "hsm/share_keeper.h"
#include "hsm/token.h"

namespace coprotect::hsm {

// Sealed mode (any token, any suite). The token seals a wrapping key. The share is wrapped under that key and
// its epoch's key with AES-256-GCM, and unwrapped into locked memory for use. An unwrapped share is kept for
// `hold` after its last use; with zero, every call unseals. `token` must have a name (Token::named); `epochs`
// is the file of the epoch keys (EpochKeys).
std::unique_ptr<ShareKeeper> make_sealed_keeper(Token token, std::filesystem::path epochs,
                                                std::chrono::milliseconds hold);

}  // namespace coprotect::hsm
