#pragma once

#include "provisioning/handover/holder_group.h"

namespace coprotect::provisioning {

// What is known about an earlier run that may have left a handover unfinished.
struct Leftover {
  // From a tool that confirmed a new recovery share and died: the bundle that it committed.
  std::optional<protocol::Bundle> committed;
  // The available invitations, for agents that join.
  std::span<InvitedAgent> invited;
  TenantLists lists;
  // The epoch that an earlier call completed successfully at all agents. Code::conflict names an agent that
  // still contradicts that.
  std::optional<std::uint32_t> completed = std::nullopt;
  // The epoch of the folder's bundle. All agents finished it, as far as this tool knows. No void can undo it
  // or an earlier one.
  std::optional<std::uint32_t> finished = std::nullopt;
  KeepAcknowledgements keep = {};
};
enum class Settled { nothing_left, completed, taken_back };
// Completes or undoes what an earlier run left: afterwards either all holders of the newest epoch use it, or
// all holders of the epoch before use that one. Prints what it does. Call look() again afterwards.
// Code::conflict or Code::unavailable names a missing party.
Result<Settled> settle(HolderGroup& holders, const Leftover& leftover, const Operator& person,
                       Random& random);
// Undoes whatever is prepared anywhere, even if all have confirmed it, for a tool that must start over.
Status take_back_prepared(HolderGroup& holders, std::span<InvitedAgent> invited, const Operator& person,
                          Random& random);

}  // namespace coprotect::provisioning
