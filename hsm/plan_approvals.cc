#include "hsm/plan_approvals.h"

#include "hsm/durable_file.h"

namespace coprotect::hsm {
namespace {

namespace fs = std::filesystem;
using protocol::OperatorApproval;
using protocol::PendingPlan;

Status remove_existing(const fs::path& file) {
  std::error_code failure;
  if (!fs::exists(file, failure) && !failure)
    return Error(Code::not_found, "there is no \"" + file.string() + "\"");
  return remove_file(file);
}

}  // namespace

Status PlanApprovals::put_pending(const PendingPlan& plan) const {
  Bytes content = plan.encode();
  if (content.size() > MacFiles::kMaxContent)
    return Error(Code::denied, "the plan takes " + std::to_string(content.size()) +
                                   " bytes in words: its operator could not be shown it");
  return files_.write(pending_ / to_hex(plan.key_id), std::move(content));
}

Result<PendingPlan> PlanApprovals::pending(const protocol::KeyId& key_id) const {
  const auto content = files_.read(pending_ / to_hex(key_id));
  if (!content) return content.error();
  return PendingPlan::parse(*content);
}

Result<PlanApprovals::Pending> PlanApprovals::all_pending() const {
  Pending all;
  std::error_code failure;
  for (fs::directory_iterator entry(pending_, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    // A file that is being written has no final name yet.
    if (entry->path().filename().string().starts_with('.')) continue;
    const auto content = files_.read(entry->path());
    if (!content && content.error().code() == Code::not_found) continue;
    if (!content) {
      all.unreadable.push_back(content.error());
      continue;
    }
    auto plan = PendingPlan::parse(*content);
    if (plan)
      all.plans.push_back(*std::move(plan));
    else
      all.unreadable.push_back(std::move(plan).error().in("\"" + entry->path().string() + "\""));
  }
  if (failure && failure != std::errc::no_such_file_or_directory)
    return Error(Code::unavailable, "cannot read \"" + pending_.string() + "\": " + failure.message());
  return all;
}

Status PlanApprovals::forget(const protocol::KeyId& key_id) const {
  const auto plan = pending(key_id);
  if (plan) {
    if (auto removed = remove_file(approvals_ / to_hex(plan->plan_hash)); !removed) return removed;
  } else if (plan.error().code() != Code::not_found) {
    if (auto removed = forget_approvals_of(key_id); !removed) return removed;
  }
  return remove_file(pending_ / to_hex(key_id));
}

// Used if the plan that names it cannot be read.
Status PlanApprovals::forget_approvals_of(const protocol::KeyId& key_id) const {
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(approvals_, failure)) {
    const auto content = files_.read(entry.path());
    const auto approval =
        content ? OperatorApproval::parse(*content) : Result<OperatorApproval>(content.error());
    if (!approval || approval->key_id != key_id) continue;
    if (auto removed = remove_file(entry.path()); !removed) return removed;
  }
  if (failure && failure != std::errc::no_such_file_or_directory)
    return Error(Code::unavailable, "cannot read \"" + approvals_.string() + "\": " + failure.message());
  return Done{};
}

Status PlanApprovals::forget_all() const {
  for (const fs::path& folder : {pending_, approvals_}) {
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator(folder, failure))
      if (auto removed = remove_file(entry.path()); !removed) return removed;
    if (failure && failure != std::errc::no_such_file_or_directory)
      return Error(Code::unavailable, "cannot read \"" + folder.string() + "\": " + failure.message());
  }
  return Done{};
}

Status PlanApprovals::approve(const OperatorApproval& approval) const {
  return files_.write(approvals_ / to_hex(approval.plan_hash), approval.encode());
}

Status PlanApprovals::withdraw(const Digest& plan_hash) const {
  return remove_existing(approvals_ / to_hex(plan_hash));
}

Result<std::optional<OperatorApproval>> PlanApprovals::approval_of(const Digest& plan_hash) const {
  const fs::path file = approvals_ / to_hex(plan_hash);
  const auto content = files_.read(file);
  if (!content && content.error().code() == Code::not_found) return std::optional<OperatorApproval>();
  if (!content) return content.error();
  auto approval = OperatorApproval::parse(*content);
  if (!approval) return std::move(approval).error().in("\"" + file.string() + "\"");
  // An approval of another plan was put in its place.
  if (approval->plan_hash != plan_hash)
    return Error(Code::altered, "\"" + file.string() + "\" is an approval of another plan");
  return std::optional(*std::move(approval));
}

}  // namespace coprotect::hsm
