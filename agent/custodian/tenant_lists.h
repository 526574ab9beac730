#pragma once

#include "agent/custodian/clients.h"
#include "agent/custodian/key_lists.h"
#include "protocol/message/peer_state.h"

namespace coprotect::agent::custodian {

// "key list" or "client list".
std::string_view list_name(protocol::ListKind kind);

// What tenants' client CAs signed, of both kinds. Refers to them.
struct TenantLists {
  ClientLists& clients;
  KeyLists& keys;

  // Zero if the tenant has none of the kind.
  std::uint64_t serial(const protocol::PeerState::List& list) const;
  // Empty if there is none.
  Bytes encoded(const protocol::PeerState::List& list) const;
};

}  // namespace coprotect::agent::custodian
