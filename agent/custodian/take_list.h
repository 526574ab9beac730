#pragma once

#include "agent/custodian/log.h"
#include "agent/custodian/tenant_lists.h"

namespace coprotect::agent::custodian {

// Take a list of the key's tenant, whoever brought it: its CA's signature is what counts. Recorded and
// durable when they return. The list that is there already is fine; Code::conflict for an older one, and more
// as ClientLists::put() and KeyLists::put() say.
Status take_client_list(Store& store, ClientLists& clients, Log& log, const Key& key, ByteView encoded,
                        std::int64_t now_ms);
// `missed`: this agent should have had it, or one before it, already (KeyLists::put()).
Status take_key_list(Store& store, KeyLists& lists, Log& log, const Key& key, ByteView encoded,
                     std::int64_t now_ms, bool missed);
// Either of them, as another agent has it.
Status take_list(protocol::ListKind kind, Store& store, TenantLists lists, Log& log, const Key& key,
                 ByteView encoded, std::int64_t now_ms);

}  // namespace coprotect::agent::custodian
