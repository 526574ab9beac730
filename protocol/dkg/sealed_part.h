#pragma once

#include "protocol/dkg/parameters.h"
#include "protocol/recovery/recovery_part.h"

namespace coprotect::protocol {

// A recovery part on its way through the tool (SPEC.md §8.6): under one key, which is sealed to every agent.
// With the recovery key, and no agent, it opens nothing.
Result<Bytes> seal_part(const Parameters& parameters, const RecoveryStatement& statement,
                        const RecoveryPart& part, Random& random);
// As the agent at this position reads it. Code::bad_proof, naming the dealer, if it does not open or is not
// the part with this hash; what it proves is left to RecoveryPart::check().
Result<RecoveryPart> open_part(const Parameters& parameters, const RecoveryStatement& statement,
                               ByteView sealed, const Digest& part_hash, std::size_t self,
                               const HpkePrivateKey& ceremony_key);
// Whether it has a sealed key for each agent.
bool is_sealed_part(const Parameters& parameters, ByteView sealed);

}  // namespace coprotect::protocol
