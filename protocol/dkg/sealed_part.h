#pragma once

#include "protocol/dkg/parameters.h"
#include "protocol/recovery/recovery_part.h"

namespace coprotect::protocol {

// A recovery part in transit through the tool (SPEC.md §8.6). It is encrypted under one key, which is sealed
// to every agent. The recovery key alone, without an agent, does not open it.
Result<Bytes> seal_part(const Parameters& parameters, const RecoveryStatement& statement,
                        const RecoveryPart& part, Random& random);
// Opens the part as the agent at this position. Code::bad_proof, naming the dealer, if it does not open or
// does not have this hash. The caller must then call RecoveryPart::check().
Result<RecoveryPart> open_part(const Parameters& parameters, const RecoveryStatement& statement,
                               ByteView sealed, const Digest& part_hash, std::size_t self,
                               const HpkePrivateKey& ceremony_key);
// Whether it contains a sealed key for each agent.
bool is_sealed_part(const Parameters& parameters, ByteView sealed);

}  // namespace coprotect::protocol
