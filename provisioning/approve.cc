#include "provisioning/approve.h"

#include <algorithm>
#include <iostream>

#include "hsm/agent_folder.h"
#include "hsm/plan_approvals.h"
#include "protocol/base/text.h"
#include "provisioning/agent_identity.h"
#include "provisioning/as_owner.h"
#include "provisioning/clock.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

using hsm::PlanApprovals;
using protocol::PendingPlan;

// A plan can be forged to match fewer digits.
constexpr std::size_t kLeastDigits = 16;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;

std::string state_of(const PlanApprovals& approvals, const PendingPlan& plan, std::int64_t now_ms) {
  const auto approval = approvals.approval_of(plan.plan_hash);
  if (!approval) return "its approval cannot be read: " + approval.error().message();
  if (!*approval) return "not approved";
  if ((*approval)->not_after_ms < now_ms)
    return "approved until " + utc_text((*approval)->not_after_ms) + ", which is over";
  return "approved until " + utc_text((*approval)->not_after_ms);
}

void show_pending(const PlanApprovals& approvals, const PendingPlan& plan, std::int64_t now_ms) {
  std::cout << "proposed by " << printable(plan.client) << " at " << utc_text(plan.proposed_ms) << ", "
            << state_of(approvals, plan, now_ms) << "\n\n"
            << plan.words << '\n';
}

Result<PendingPlan> find_pending(const std::vector<PendingPlan>& pending, const std::string& digits) {
  if (digits.size() < kLeastDigits)
    return Error(Code::malformed, "a plan is named by at least the first 16 digits of its hash");
  const auto is_named = [&](const PendingPlan& plan) { return to_hex(plan.plan_hash).starts_with(digits); };
  const auto found = std::ranges::find_if(pending, is_named);
  if (found == pending.end())
    return with_hint(Error(Code::not_found, "no plan " + digits + "… waits at this agent"),
                     "without a plan the command shows those that wait; a plan ends when its tool stops, or "
                     "when the agent restarts");
  return *found;
}

}  // namespace

Status approve(const ApproveOptions& options, const Operator& person, std::int64_t now_ms) {
  const AsOwner as_owner(options.directory);
  const auto agent = AgentIdentity::open(options.directory, options.token_helper);
  if (!agent) return agent.error();
  const PlanApprovals approvals(hsm::state_of(options.directory), agent->keyring);
  const auto all = approvals.all_pending();
  if (!all) return all.error();
  for (const Error& unreadable : all->unreadable)
    person.warn("a plan cannot be shown: " + unreadable.message());
  const auto* const pending = &all->plans;
  if (options.plan.empty()) {
    if (pending->empty() && all->unreadable.empty()) std::cout << "no plan waits at this agent\n";
    for (const PendingPlan& plan : *pending) {
      show_pending(approvals, plan, now_ms);
      std::cout << "  approve it    coprotect-provision approve --dir " << options.directory.string() << ' '
                << to_hex(ByteView(plan.plan_hash).first(kLeastDigits / 2)) << '\n';
    }
    return Done{};
  }
  const auto plan = find_pending(*pending, options.plan);
  if (!plan) return plan.error();
  if (options.withdraw) {
    if (auto withdrawn = approvals.withdraw(plan->plan_hash); !withdrawn) {
      if (withdrawn.error().code() == Code::not_found)
        return Error(Code::not_found, "this plan is not approved");
      return withdrawn;
    }
    std::cout << "withdrawn: this agent does not deal by the plan. If it has dealt already, the approval "
                 "came too late to be withdrawn: the agent's log says so\n";
    return Done{};
  }
  // Two plans with the same first digits can be forged, and a script cannot see which one it approves.
  if (options.yes && options.plan != to_hex(plan->plan_hash))
    return Error(Code::malformed, "--yes needs all 64 digits of the plan's hash");
  show_pending(approvals, *plan, now_ms);
  if (!options.yes)
    if (auto sure = person.confirm("type yes if this agent is to deal by this plan: ", "yes"); !sure)
      return sure;
  const std::int64_t not_after_ms = now_ms + std::int64_t{options.hours} * kHourMs;
  if (auto done = approvals.approve(
          {.key_id = plan->key_id, .plan_hash = plan->plan_hash, .not_after_ms = not_after_ms});
      !done)
    return done;
  std::cout << "approved until " << utc_text(not_after_ms)
            << "\n  take it back  coprotect-provision approve --dir " << options.directory.string() << ' '
            << options.plan << " --withdraw, until the agent has dealt\n";
  return Done{};
}

}  // namespace coprotect::provisioning
