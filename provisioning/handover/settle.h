#pragma once

#include "provisioning/handover/holder_group.h"

namespace coprotect::provisioning {

// What is known of an earlier run that may have left a handover unfinished.
struct Leftover {
  // Of a tool that confirmed a new recovery share and died: the bundle that it committed.
  std::optional<protocol::Bundle> committed;
  // The invitations at hand, for agents that join.
  std::span<InvitedAgent> invited;
  TenantLists lists;
  // The epoch that an earlier call completed, at everybody and with success. Code::conflict names an agent
  // that still says otherwise.
  std::optional<std::uint32_t> completed = std::nullopt;
  // The epoch of the folder's bundle: all agents finished it, as far as this tool knows. Nobody's void takes
  // it back, nor what came before.
  std::optional<std::uint32_t> finished = std::nullopt;
  KeepAcknowledgements keep = {};
};
enum class Settled { nothing_left, completed, taken_back };
// Finishes what an earlier run left, or takes it back: the newest epoch at all its holders, or the epoch
// before at all. Says what it does. Afterwards look() again. Code::conflict or Code::unavailable names who is
// waited for.
Result<Settled> settle(HolderGroup& holders, const Leftover& leftover, const Operator& person,
                       Random& random);
// Takes back what is prepared somewhere, even if all have confirmed it, for a tool that has to begin anew.
Status take_back_prepared(HolderGroup& holders, std::span<InvitedAgent> invited, const Operator& person,
                          Random& random);

}  // namespace coprotect::provisioning
