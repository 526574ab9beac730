#pragma once

#include <span>

#include "agent/custodian/decide.h"
#include "hsm/share_keeper.h"

namespace coprotect::agent::custodian {

// The plaintext of the reply: this agent's partial decryptions of the items decided to be done, with their
// proof, and the reasons for the others. For a derivation, its part is the same power of another base. This
// is the only function that uses a share, and it uses none if no item is to be done. Code::unavailable if the
// caller disconnects meanwhile.
Result<Secret> decrypt(hsm::ShareKeeper& keeper, const Key& key, std::span<const Decision> decisions,
                       const Digest& request_hash, Random& random, const Interest& caller);

}  // namespace coprotect::agent::custodian
