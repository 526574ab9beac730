#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "hsm/mac_files.h"
#include "protocol/handover/consent.h"

namespace coprotect::hsm {

// How an agent and its operator agree on a plan that would change who holds a key. Two folders in the agent's
// state (agent_folder.h): `pending`, which the agent writes, and `approvals`, which the operator's tool
// writes. Each file ends with a MAC of the keyring (mac_files.h).
class PlanApprovals {
 public:
  // `keyring` outlives it.
  PlanApprovals(const std::filesystem::path& state, const Keyring& keyring)
      : pending_(state / "pending"), approvals_(state / "approvals"), files_(keyring) {}

  // Keeps one plan for each key: the newest one proposed. Code::denied for a plan that is too long to be read
  // back.
  Status put_pending(const protocol::PendingPlan& plan) const;
  // Code::not_found if no plan is pending.
  Result<protocol::PendingPlan> pending(const protocol::KeyId& key_id) const;
  // All pending plans, and an error naming each file that cannot be read or verified.
  struct Pending {
    std::vector<protocol::PendingPlan> plans;
    std::vector<Error> unreadable;
  };
  Result<Pending> all_pending() const;
  // Removes the plan of a key, and the operator's answer to it. Succeeds if there is none.
  Status forget(const protocol::KeyId& key_id) const;
  // Removes all plans: the offers behind them ended with the process that made them.
  Status forget_all() const;

  Status approve(const protocol::OperatorApproval& approval) const;
  // Withdraws an approval. Code::not_found if there is none.
  Status withdraw(const Digest& plan_hash) const;
  // Nothing if there is none; Code::altered for a file whose MAC does not verify.
  Result<std::optional<protocol::OperatorApproval>> approval_of(const Digest& plan_hash) const;

 private:
  Status forget_approvals_of(const protocol::KeyId& key_id) const;

  std::filesystem::path pending_;
  std::filesystem::path approvals_;
  MacFiles files_;
};

}  // namespace coprotect::hsm
