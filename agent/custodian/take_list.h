#pragma once

#include "agent/custodian/log.h"
#include "agent/custodian/tenant_lists.h"

namespace coprotect::agent::custodian {

// Accept a list of the key's tenant from anyone: its CA's signature decides. Recorded and durable on return.
// The current list is accepted again. Code::conflict for an older one; further errors as for
// ClientLists::put() and KeyLists::put().
Status take_client_list(Store& store, ClientLists& clients, Log& log, const Key& key, ByteView encoded,
                        std::int64_t now_ms);
// `missed`: this agent should already have had this list or an earlier one (KeyLists::put()).
Status take_key_list(Store& store, KeyLists& lists, Log& log, const Key& key, ByteView encoded,
                     std::int64_t now_ms, bool missed);
// Accepts either kind of list, as another agent has it.
Status take_list(protocol::ListKind kind, Store& store, TenantLists lists, Log& log, const Key& key,
                 ByteView encoded, std::int64_t now_ms);

}  // namespace coprotect::agent::custodian
