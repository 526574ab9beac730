#pragma once

#include <functional>

#include "provisioning/handover/handover.h"

namespace coprotect::provisioning {

// How a handover ends, once its version is made or given up (protocol/SPEC.md §13.6).

struct TenantLists {
  Bytes clients;
  Bytes keys;                                   // empty if there is none
  const client::Credentials* bearer = nullptr;  // who brings them; outlives this
};
// Keeps what all agents of an epoch acknowledged, where a later run finds it.
using KeepAcknowledgements = std::function<Status(const protocol::RetireRequest&)>;
struct Completion {
  std::vector<NewHolder> agents;      // of the newest epoch
  std::vector<HolderAgent*> leaving;  // who held shares before, and are reachable
  TenantLists lists;                  // for those who join
  KeepAcknowledgements keep = {};     // called before anybody erases anything on account of them
};
// Tells all parties of the newest epoch to use it, and, once all do, shows their acknowledgements to all of
// both epochs: whoever holds older shares erases them, and whoever joined takes no void of the handover any
// more. May be repeated.
Status complete_handover(const protocol::Bundle& newest, const Completion& completion, const Operator& person,
                         Random& random);

// Whether an agent that joined, and refused the list that it was given, keeps one that is as good: the same,
// or a newer one that does not destroy the key. Code::conflict otherwise: it would refuse the tenant's later
// lists, or erase the share that it just got. `who` is the agent.
Status check_kept_list(const ListKind& kind, ByteView given, ByteView kept, const protocol::Bundle& key,
                       const std::string& who);

// Shows the acknowledgements of all to each, so that it erases older shares. The first of those who stay that
// refuses them is the error, Code::unavailable; of those who leave a warning. Everybody is asked.
Status retire_all(const protocol::RetireRequest& request, std::span<HolderAgent* const> staying,
                  std::span<HolderAgent* const> leaving, const Operator& person);

// Asks every party to say that it will never confirm the plan; those who confirmed it already do so once
// another has said it. Code::conflict if all have confirmed.
Status abort_handover(const protocol::HandoverPlan& plan, std::span<HolderAgent* const> holders,
                      std::span<InvitedAgent* const> invited);

}  // namespace coprotect::provisioning
