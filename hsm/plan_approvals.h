#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "hsm/mac_files.h"
#include "protocol/handover/consent.h"

namespace coprotect::hsm {

// Where an agent and its operator meet over a plan that would change who holds a key: two folders in the
// agent's state (agent_folder.h), `pending`, which the agent writes, and `approvals`, which the operator's
// tool writes. Each file ends with a MAC of the keyring (mac_files.h).
class PlanApprovals {
 public:
  // `keyring` outlives it.
  PlanApprovals(const std::filesystem::path& state, const Keyring& keyring)
      : pending_(state / "pending"), approvals_(state / "approvals"), files_(keyring) {}

  // One plan a key: the newest that was proposed. Code::denied for one that is too long to be read back.
  Status put_pending(const protocol::PendingPlan& plan) const;
  // Code::not_found if none waits.
  Result<protocol::PendingPlan> pending(const protocol::KeyId& key_id) const;
  // All that wait, and for each file that cannot be read, or does not hold, an error that names it.
  struct Pending {
    std::vector<protocol::PendingPlan> plans;
    std::vector<Error> unreadable;
  };
  Result<Pending> all_pending() const;
  // Forgets the plan of a key, and what the operator said of it. Nothing to forget is fine.
  Status forget(const protocol::KeyId& key_id) const;
  // Forgets all of them: the offers that the plans were made for ended with the process that made them.
  Status forget_all() const;

  Status approve(const protocol::OperatorApproval& approval) const;
  // Takes an approval back. Code::not_found if there is none.
  Status withdraw(const Digest& plan_hash) const;
  // Nothing if there is none; Code::altered for a file that does not hold.
  Result<std::optional<protocol::OperatorApproval>> approval_of(const Digest& plan_hash) const;

 private:
  Status forget_approvals_of(const protocol::KeyId& key_id) const;

  std::filesystem::path pending_;
  std::filesystem::path approvals_;
  MacFiles files_;
};

}  // namespace coprotect::hsm
