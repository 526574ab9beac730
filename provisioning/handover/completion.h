#pragma once

#include "provisioning/handover/handover.h"

namespace coprotect::provisioning {

// How a handover ends, once its version is made or given up (protocol/SPEC.md §13.6).

struct TenantLists {
  Bytes clients;
  Bytes keys;                                   // empty if there is none
  const client::Credentials* bearer = nullptr;  // who brings them; outlives this
};
struct Completion {
  std::vector<NewHolder> agents;      // of the newest epoch
  std::vector<HolderAgent*> leaving;  // who held shares before, and are reachable
  TenantLists lists;                  // for those who join
};
// Tells all parties of the newest epoch to use it, and, once all do, all who hold older shares to erase them.
// May be repeated.
Status complete_handover(const protocol::Bundle& newest, const Completion& completion,
                         const Operator& person);

// Asks every party to say that it will never confirm the plan; those who confirmed it already do so once
// another has said it. Code::conflict if all have confirmed.
Status abort_handover(const protocol::HandoverPlan& plan, std::span<HolderAgent* const> holders,
                      std::span<InvitedAgent* const> invited);

}  // namespace coprotect::provisioning
