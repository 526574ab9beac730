#pragma once

#include <functional>

#include "provisioning/handover/handover.h"

namespace coprotect::provisioning {

// The end of a handover, after its version was made or given up (protocol/SPEC.md §13.6).

struct TenantLists {
  Bytes clients;
  Bytes keys;                                   // empty if there is none
  const client::Credentials* bearer = nullptr;  // sends them; must outlive this
};
// Stores the acknowledgements of all agents of an epoch for a later run.
using KeepAcknowledgements = std::function<Status(const protocol::RetireRequest&)>;
struct Completion {
  std::vector<NewHolder> agents;      // of the newest epoch
  std::vector<HolderAgent*> leaving;  // held shares before, and are reachable
  TenantLists lists;                  // for agents that join
  KeepAcknowledgements keep = {};     // called before any agent erases anything because of them
};
// Tells all parties of the newest epoch to use it. Once all do, shows their acknowledgements to all parties
// of both epochs: holders of older shares erase them, and agents that joined no longer accept a void of the
// handover. May be repeated.
Status complete_handover(const protocol::Bundle& newest, const Completion& completion, const Operator& person,
                         Random& random);

// Code::conflict unless an agent that joined, and refused the list that it was given, has an equally good
// one: the same, or a newer one that does not destroy the key. Otherwise it would refuse the tenant's later
// lists, or erase its new share. `who` is the agent.
Status check_kept_list(const ListKind& kind, ByteView given, ByteView kept, const protocol::Bundle& key,
                       const std::string& who);

// Shows all acknowledgements to each agent, so that it erases older shares. Asks every agent. If staying
// agents refuse, returns the first refusal as Code::unavailable. A refusal by a leaving agent is a warning.
Status retire_all(const protocol::RetireRequest& request, std::span<HolderAgent* const> staying,
                  std::span<HolderAgent* const> leaving, const Operator& person);

// Asks every party to state that it will never confirm the plan. Parties that already confirmed state it
// after another one has. Code::conflict if all have confirmed.
Status abort_handover(const protocol::HandoverPlan& plan, std::span<HolderAgent* const> holders,
                      std::span<InvitedAgent* const> invited);

}  // namespace coprotect::provisioning
