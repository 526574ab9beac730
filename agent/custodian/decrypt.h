#pragma once

#include <span>

#include "agent/custodian/decide.h"
#include "hsm/share_keeper.h"

namespace coprotect::agent::custodian {

// This agent's partial decryptions of the items that were decided to be done, with their proof, and the
// reasons for the others: the plaintext of the reply. Its part of a derivation is the same power of another
// base. The one place where a share is used; not at all if no item is to be done.
// Code::unavailable if the caller goes meanwhile.
Result<Secret> decrypt(hsm::ShareKeeper& keeper, const Key& key, std::span<const Decision> decisions,
                       const Digest& request_hash, Random& random, const Interest& caller);

}  // namespace coprotect::agent::custodian
