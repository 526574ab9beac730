#pragma once

#include "agent/custodian/keys.h"

namespace coprotect::agent::custodian {

// The encrypted recovery share, as the plaintext of a reply: only a recovery code or password opens it, and
// neither ever comes here. Code::not_found if the key has none.
Result<Secret> recovery_share(const Key& key);

}  // namespace coprotect::agent::custodian
