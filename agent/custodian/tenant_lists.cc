#include "agent/custodian/tenant_lists.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::ListKind;

template <typename List>
std::uint64_t serial_of(const List& present) {
  return present == nullptr ? 0 : present->list.serial;
}

template <typename List>
Bytes encoded_of(const List& present) {
  return present == nullptr ? Bytes{} : present->encoded;
}

}  // namespace

std::string_view list_name(ListKind kind) {
  return kind == ListKind::keys ? "key list" : "client list";
}

std::uint64_t TenantLists::serial(const protocol::PeerState::List& list) const {
  const auto& [kind, tenant] = list;
  return kind == ListKind::keys ? serial_of(keys.of_tenant(tenant)) : serial_of(clients.of_tenant(tenant));
}

Bytes TenantLists::encoded(const protocol::PeerState::List& list) const {
  const auto& [kind, tenant] = list;
  return kind == ListKind::keys ? encoded_of(keys.of_tenant(tenant)) : encoded_of(clients.of_tenant(tenant));
}

}  // namespace coprotect::agent::custodian
