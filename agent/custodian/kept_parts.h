#pragma once

#include "agent/custodian/keys.h"
#include "protocol/dkg/recovery_parts.h"

namespace coprotect::agent::custodian {

// Recovery parts at rest: what Key::recovery_parts holds. They are sealed with the keeper as the shares of
// their epoch are, so that a copy of the store without the token, and one of an epoch that is gone, says
// nothing.
Result<Bytes> keep_parts(hsm::ShareKeeper& keeper, const Key& key, const protocol::RecoveryParts& parts);
// Code::altered if the record is another epoch's, or not what was kept. Whether the parts are those that the
// key names is left to RecoveryParts::check().
Result<protocol::RecoveryParts> kept_parts(hsm::ShareKeeper& keeper, const Key& key);

}  // namespace coprotect::agent::custodian
