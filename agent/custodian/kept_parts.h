#pragma once

#include "agent/custodian/keys.h"
#include "protocol/dkg/recovery_parts.h"

namespace coprotect::agent::custodian {

// Recovery parts at rest: the content of Key::recovery_parts. The keeper seals them like the shares of their
// epoch. A copy of the store reveals nothing without the token, or once the epoch is destroyed.
Result<Bytes> keep_parts(hsm::ShareKeeper& keeper, const Key& key, const protocol::RecoveryParts& parts);
// Code::altered if the record belongs to another epoch or was changed. RecoveryParts::check() checks whether
// the parts are those that the key names.
Result<protocol::RecoveryParts> kept_parts(hsm::ShareKeeper& keeper, const Key& key);

}  // namespace coprotect::agent::custodian
