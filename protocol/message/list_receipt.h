#pragma once

#include "protocol/crypto/ecdsa.h"
#include "protocol/message/peer_state.h"

namespace coprotect::protocol {

// An agent's statement that it has a tenant's list (SPEC.md §7.4), signed with its identity key. An
// intermediary between the agent and the sender of a list thus cannot withhold the list and claim that the
// agent accepted it.
Signature sign_list_receipt(ListKind kind, ByteView list, const SigningKey& identity);
// Whether `answer`, of 64 bytes, is such a statement about this list.
bool verify_list_receipt(const VerifyKey& identity, ListKind kind, ByteView list, ByteView answer);

}  // namespace coprotect::protocol
