#pragma once

#include "agent/custodian/clients.h"
#include "agent/custodian/log.h"

namespace coprotect::agent::custodian {

// Takes a client list of the key's tenant, whoever brought it: its CA's signature is what counts. Recorded
// and durable when it returns. The list that is there already is fine; Code::conflict for an older one.
Status take_client_list(Store& store, ClientLists& clients, Log& log, const Key& key, ByteView encoded,
                        std::int64_t now_ms);

}  // namespace coprotect::agent::custodian
