#include "agent/custodian/handovers.h"
#include "protocol/file/utc_time.h"

// Who may change the holders of a key. The same holders with new shares: any administrator. Others: an
// administrator with the approval of this agent's operator, that is a MAC with an invitation's secret; or a
// recovery administrator, who has to announce it and wait, so that the company's administrator can object.
namespace coprotect::agent::custodian {
namespace {

using protocol::HandoverNotice;
using protocol::Layout;
using protocol::Role;

std::string describe(const Layout& layout) {
  std::string text = std::to_string(layout.t) + " of:";
  for (const auto& holder : layout.holders) {
    text += " " + holder.name;
    if (holder.identity_key)
      text += " (" + holder.url + ", identity " + to_hex(ByteView(*holder.identity_key).first(8)) + "…)";
  }
  return text;
}

}  // namespace

Result<Bytes> Handovers::announce(const Caller& caller, ByteView payload) {
  auto layout = Layout::parse(payload);
  if (!layout) return std::move(layout).error();
  if (const auto key = active(caller); !key) return key.error();
  if (const auto present = announcements_.of(caller.key_id()); present && present->layout == *layout) {
    if (present->vetoed) return Error(Code::denied, "these holders were announced, and vetoed");
    return present->encode();
  }

  HandoverNotice notice{.layout = *std::move(layout),
                        .client = caller.uri(),
                        .not_before_ms = caller.now_ms + settings_.handover.delay_ms,
                        .vetoed = false};
  const std::string text = caller.uri() + " announces new holders, from " +
                           protocol::format_utc_time(notice.not_before_ms) +
                           " on: " + describe(notice.layout);
  const auto put = [&](Transaction& t) { return announcements_.put(t, caller.key_id(), notice); };
  if (auto durable = make_durable(caller, put, "handover: " + text); !durable)
    return std::move(durable).error();
  notify(caller, "announced", text);
  return notice.encode();
}

Result<Bytes> Handovers::veto(const Caller& caller) {
  if (caller.client.identity.role != Role::admin)
    return Error(Code::denied, "a veto needs a certificate of role admin");
  auto notice = announcements_.of(caller.key_id());
  if (!notice) return Error(Code::not_found, "nothing is announced for this key");
  if (notice->vetoed) return Bytes{};
  notice->vetoed = true;
  const std::string text = caller.uri() + " vetoes what " + notice->client + " announced";
  const auto put = [&](Transaction& t) { return announcements_.put(t, caller.key_id(), *notice); };
  if (auto durable = make_durable(caller, put, "handover: " + text); !durable)
    return std::move(durable).error();
  notify(caller, "vetoed", text);
  return Bytes{};
}

Status Handovers::check_announced(const Caller& caller, const protocol::HandoverPlan& plan) const {
  const auto notice = announcements_.of(caller.key_id());
  if (!notice || notice->layout != Layout::of(plan->parameters))
    return Error(Code::denied, "these holders were not announced");
  if (notice->vetoed) return Error(Code::denied, "these holders were announced, and vetoed");
  if (caller.now_ms < notice->not_before_ms)
    return Error(Code::limited,
                 "announced handover may begin at " + protocol::format_utc_time(notice->not_before_ms + 999));
  return Done{};
}

Status Handovers::check_approval(const protocol::HandoverPlan& plan,
                                 const std::optional<protocol::Approval>& approval,
                                 std::int64_t now_ms) const {
  if (!approval)
    return Error(Code::denied,
                 "new holders of a key need the approval of this agent's operator: an invitation of " +
                     settings_.role);
  const std::string name = "invitation " + to_hex(approval->invitation);
  const auto invitation = invitations_.find(approval->invitation);
  if (!invitation) return invitation.error();
  if (!approval->holds(invitation->secret, plan.encoded()))
    return Error(Code::unauthenticated, "the approval was not made with " + name);
  if (now_ms > invitation->expires_ms) return Error(Code::denied, name + " has expired");
  if (keys_.of_invitation(approval->invitation) != nullptr) return Error(Code::denied, name + " is spent");
  return Done{};
}

Status Handovers::authorize(const Caller& caller, const Key& key, const protocol::HandoverPlan& plan,
                            const std::optional<protocol::Approval>& approval) const {
  if (plan.refreshes(key.sharing)) return Done{};
  if (caller.client.identity.role == Role::recovery) return check_announced(caller, plan);
  return check_approval(plan, approval, caller.now_ms);
}

}  // namespace coprotect::agent::custodian
