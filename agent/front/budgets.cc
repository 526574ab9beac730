#include "agent/front/budgets.h"

#include <algorithm>

#include "agent/limit_use.h"

namespace coprotect::agent::front {
namespace {

using ipc::FrontLimit;

std::size_t mib(std::uint32_t number) {
  return std::size_t{number} << 20;
}

}  // namespace

void Budgets::use(const ipc::Limits& limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

Budgets::Shares Budgets::of(const Holder& holder) {
  return {.own = &shares_[holder],
          .tenant = holder.is_agent() ? nullptr : &tenants_[holder.tenant],
          .all = holder.is_agent() ? &agents_ : &clients_};
}

// Drops counters with nothing under way.
void Budgets::forget(const Holder& holder) {
  if (const auto share = shares_.find(holder); share != shares_.end() && share->second.requests == 0)
    shares_.erase(share);
  if (const auto tenant = tenants_.find(holder.tenant);
      tenant != tenants_.end() && tenant->second.requests == 0)
    tenants_.erase(tenant);
}

Error Budgets::hit(FrontLimit limit, Code code, const char* what) {
  ++hits_[limit].hits;
  return {code, what};
}

Status Budgets::room_for(const Holder& holder, const Shares& shares, std::size_t bytes) {
  if (shares.own->bytes + bytes > mib(limits_.body_mib_per_client))
    return hit(FrontLimit::body_mib_per_client, Code::limited,
               "this client has too many bytes of requests under way");
  if (shares.tenant != nullptr && shares.tenant->bytes + bytes > mib(limits_.body_mib_per_tenant))
    return hit(FrontLimit::body_mib_per_tenant, Code::limited,
               "this client's tenant has too many bytes of requests under way");
  if (shares.all->bytes + bytes > mib(limits_.body_mib))
    return hit(holder.is_agent() ? FrontLimit::body_mib_of_peers : FrontLimit::body_mib, Code::unavailable,
               "the agent has too many bytes of requests under way");
  return Done{};
}

Status Budgets::place_for(const Holder& holder, const Shares& shares) {
  if (shares.own->requests >= (holder.is_agent() ? limits_.requests_per_peer : limits_.requests_per_client))
    return hit(holder.is_agent() ? FrontLimit::requests_per_peer : FrontLimit::requests_per_client,
               Code::limited, "this client has too many requests under way");
  if (shares.tenant != nullptr && shares.tenant->requests >= limits_.requests_per_tenant)
    return hit(FrontLimit::requests_per_tenant, Code::limited,
               "this client's tenant has too many requests under way");
  if (shares.all->requests >= limits_.requests)
    return hit(holder.is_agent() ? FrontLimit::requests_of_peers : FrontLimit::requests, Code::unavailable,
               "the agent has too many requests under way");
  return Done{};
}

void Budgets::add_to(ipc::Usage& usage) const {
  const std::lock_guard lock(mutex_);
  usage.add(hits_);
  const auto raise = [&usage](FrontLimit limit, std::uint64_t use) {
    usage[limit].use = std::max(usage[limit].use, use);
  };
  for (const auto& [holder, share] : shares_) {
    raise(holder.is_agent() ? FrontLimit::requests_per_peer : FrontLimit::requests_per_client,
          share.requests);
    raise(FrontLimit::body_mib_per_client, mib_of(share.bytes));
  }
  for (const auto& [tenant, share] : tenants_) {
    raise(FrontLimit::requests_per_tenant, share.requests);
    raise(FrontLimit::body_mib_per_tenant, mib_of(share.bytes));
  }
  raise(FrontLimit::requests, clients_.requests);
  raise(FrontLimit::requests_of_peers, agents_.requests);
  raise(FrontLimit::body_mib, mib_of(clients_.bytes));
  raise(FrontLimit::body_mib_of_peers, mib_of(agents_.bytes));
}

Status Budgets::begin(const Holder& holder, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const Shares shares = of(holder);
  auto given = place_for(holder, shares);
  if (given) given = room_for(holder, shares, bytes);
  if (!given) {
    forget(holder);
    return given;
  }
  for (Share* const share : {shares.own, shares.tenant, shares.all}) {
    if (share == nullptr) continue;
    ++share->requests;
    share->bytes += bytes;
  }
  return Done{};
}

Status Budgets::grow(const Holder& holder, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const Shares shares = of(holder);
  invariant(shares.own->requests != 0);
  if (auto room = room_for(holder, shares, bytes); !room) return room;
  for (Share* const share : {shares.own, shares.tenant, shares.all})
    if (share != nullptr) share->bytes += bytes;
  return Done{};
}

void Budgets::end(const Holder& holder, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  const Shares shares = of(holder);
  for (Share* const share : {shares.own, shares.tenant, shares.all}) {
    if (share == nullptr) continue;
    invariant(share->requests != 0 && share->bytes >= bytes);
    --share->requests;
    share->bytes -= bytes;
  }
  forget(holder);
}

}  // namespace coprotect::agent::front
