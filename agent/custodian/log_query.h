#pragma once

#include "agent/custodian/keys.h"
#include "agent/custodian/log.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// The part of the log that the key's tenant may read, as the plaintext of a reply. Entries of other tenants
// appear as hashes, so that every tenant can verify the chain and read only its own entries.
Result<Secret> log_query(Store& store, const Log& log, const Key& key, const protocol::LogBody& body);

}  // namespace coprotect::agent::custodian
