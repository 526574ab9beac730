#pragma once

#include "agent/custodian/clients.h"
#include "agent/custodian/key_lists.h"
#include "protocol/message/peer_state.h"

namespace coprotect::agent::custodian {

// "key list" or "client list".
std::string_view list_name(protocol::ListKind kind);

// References to both kinds of lists that tenants' client CAs signed.
struct TenantLists {
  ClientLists& clients;
  KeyLists& keys;

  // Zero if the tenant has no list of that kind.
  std::uint64_t serial(const protocol::PeerState::List& list) const;
  // Empty if there is none.
  Bytes encoded(const protocol::PeerState::List& list) const;
};

}  // namespace coprotect::agent::custodian
