#pragma once

#include "agent/custodian/keys.h"
#include "agent/custodian/log.h"
#include "protocol/message/request.h"

namespace coprotect::agent::custodian {

// The part of the log that the key's tenant may read, as the plaintext of a reply: other tenants' entries as
// hashes, so that the chain can be verified by everyone and read by nobody else.
Result<Secret> log_query(Store& store, const Log& log, const Key& key, const protocol::LogBody& body);

}  // namespace coprotect::agent::custodian
