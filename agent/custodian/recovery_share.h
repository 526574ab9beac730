#pragma once

#include "agent/custodian/identify.h"

namespace coprotect::agent::custodian {

// The answer to a request for the recovery share (protocol/SPEC.md §7.2): the recovery blob and, for a
// recovery administrator, the recovery parts, without which the blob is useless.
Result<Secret> recovery_share(hsm::ShareKeeper& keeper, const Client& client);

}  // namespace coprotect::agent::custodian
