#pragma once

#include "protocol/crypto/ecdsa.h"
#include "protocol/message/peer_state.h"

namespace coprotect::protocol {

// An agent's word that it has a tenant's list (SPEC.md §7.4), signed with its identity key: whoever stands
// between an agent and who brings it a list cannot keep the list back and say that it was taken.
Signature sign_list_receipt(ListKind kind, ByteView list, const SigningKey& identity);
// Whether `answer`, of 64 bytes, is such a word of this list.
bool verify_list_receipt(const VerifyKey& identity, ListKind kind, ByteView list, ByteView answer);

}  // namespace coprotect::protocol
