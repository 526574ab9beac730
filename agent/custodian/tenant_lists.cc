#include "agent/custodian/tenant_lists.h"

namespace coprotect::agent::custodian {

using protocol::ListKind;

std::uint64_t TenantLists::serial(const protocol::PeerState::List& list) const {
  const auto& [kind, tenant] = list;
  if (kind == ListKind::keys) {
    const auto present = keys.of_tenant(tenant);
    return present == nullptr ? 0 : present->list.serial;
  }
  const auto present = clients.of_tenant(tenant);
  return present == nullptr ? 0 : present->list.serial;
}

Bytes TenantLists::encoded(const protocol::PeerState::List& list) const {
  const auto& [kind, tenant] = list;
  if (kind == ListKind::keys) {
    const auto present = keys.of_tenant(tenant);
    return present == nullptr ? Bytes{} : present->encoded;
  }
  const auto present = clients.of_tenant(tenant);
  return present == nullptr ? Bytes{} : present->encoded;
}

}  // namespace coprotect::agent::custodian
