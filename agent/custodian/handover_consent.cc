#include <algorithm>

#include "agent/custodian/handovers.h"
#include "protocol/crypto/hash.h"
#include "protocol/file/utc_time.h"
#include "protocol/handover/offer.h"
#include "protocol/handover/quorums.h"

// Consent to plans other than refreshes. An agent parses each plan itself, against its own bundle. Its
// operator decides, and is shown the plan in words. If a recovery administrator who has the recovery share
// announced the change, the plan is decided when the waiting time ends without an objection.
namespace coprotect::agent::custodian {
namespace {

using protocol::Consent;
using protocol::HandoverPlan;
using protocol::Role;

// The plan's name for the tool and the operator: enough digits to make a second plan with the same ones
// infeasible.
std::string short_hash(const Digest& plan_hash) {
  return to_hex(ByteView(plan_hash).first(8));
}

std::string what_is_new(const std::string& news) {
  return news.empty() ? "no quorum is new" : "NEW quorums: " + news;
}

}  // namespace

// Only for a plan in which the recovery share deals. Any client that the client CA certified as recovery
// administrator may announce, and agents dealing among themselves would otherwise give their shares to one
// that holds none.
bool Handovers::announcement_decides(const Caller& caller, const Key& key, const HandoverPlan& plan) const {
  return settings_.handover.announced && caller.client.identity.role == Role::recovery &&
         key.sharing.recovery &&
         std::ranges::find(plan->dealers, key.sharing.recovery->index) != plan->dealers.end();
}

Result<std::int64_t> Handovers::approved_until(const Caller& caller, const Key& key, const HandoverPlan& plan,
                                               ByteView recovery_proof) const {
  if (announcement_decides(caller, key, plan)) {
    if (auto announced = check_announced(caller, plan); !announced) return std::move(announced).error();
    if (!protocol::verify_recovery_share(plan, key.sharing, recovery_proof))
      return Error(Code::bad_proof,
                   "the recovery share is to deal by this plan, and the request does not "
                   "prove that anybody has it in epoch " +
                       std::to_string(key.epoch()));
    return caller.now_ms + protocol::kMaxConsentMs;
  }
  const Digest hash = protocol::plan_hash(plan);
  const auto approval = approvals_.approval_of(hash);
  if (!approval) return approval.error();
  const std::string ask = "coprotect-provision approve --dir FOLDER " + short_hash(hash);
  if (!*approval || (*approval)->key_id != plan->key_id)
    return Error(Code::limited,
                 "waits for the operator of the " + settings_.role + " agent: on its host, " + ask);
  if ((*approval)->not_after_ms < caller.now_ms)
    return Error(Code::limited, "the approval of the operator of the " + settings_.role +
                                    " agent has expired: on its host, again, " + ask);
  return std::min((*approval)->not_after_ms, caller.now_ms + protocol::kMaxConsentMs);
}

// Runs without the lock, so that only the caller waits for the text.
Result<Handovers::Proposal> Handovers::read_proposal(const Caller& caller, ByteView payload) const {
  auto request = protocol::DealRequest::parse(payload);
  if (!request) return std::move(request).error();
  if (!request->consents.empty())
    return Error(Code::malformed, "a request for consent that holds consents already");
  const auto key = active(caller);
  if (!key) return key.error();
  const auto plan = HandoverPlan::parse(request->plan);
  if (!plan) return plan.error();
  const protocol::Sharing& now = (*key)->sharing;
  if (auto fits = plan->follows(now, (*key)->bundle->newest_hash()); !fits) return std::move(fits).error();
  if (plan->refreshes(now)) return Error(Code::malformed, "a refresh needs no consent");
  auto words = protocol::plan_in_words(now, *plan);
  if (!words) return std::move(words).error();
  return Proposal{.key = *key,
                  .request = *std::move(request),
                  .words = std::move(words->text),
                  .news = what_is_new(words->news)};
}

// Leaves the plan for the operator to find, once.
Status Handovers::propose(const Caller& caller, const HandoverPlan& plan, const Proposal& proposal,
                          Running& running) {
  const Digest hash = protocol::plan_hash(plan);
  if (running.proposed == hash) return Done{};
  if (auto forgotten = approvals_.forget(caller.key_id()); !forgotten) return forgotten;
  if (auto put = approvals_.put_pending({.key_id = caller.key_id(),
                                         .plan_hash = hash,
                                         .epoch = plan->epoch,
                                         .client = caller.uri(),
                                         .proposed_ms = caller.now_ms,
                                         .words = proposal.words});
      !put)
    return put;
  const std::string text =
      caller.uri() + " proposes " + handover_label(plan) + ", plan " + to_hex(hash) + "; " + proposal.news;
  const auto nothing = [](Transaction&) -> Status { return Done{}; };
  if (auto durable = make_durable(caller, nothing, "handover: " + text); !durable) return durable;
  running.proposed = hash;
  notify(caller, "proposed", text);
  return Done{};
}

Result<Bytes> Handovers::consent(const Caller& caller, const Proposal& proposal) {
  const auto key = still_active(caller, proposal.key);
  if (!key) return key.error();
  const auto found = running_.find(caller.key_id());
  if (found == running_.end() || found->second.client != caller.uri())
    return Error(Code::conflict, "handover plan without an offer");
  Running& running = found->second;
  running.touched_ms = caller.now_ms;
  const auto plan = admit_plan(**key, running, proposal.request);
  if (!plan) return plan.error();
  if (!has_a_say(**key, *plan)) return Bytes{};

  if (!announcement_decides(caller, **key, *plan))
    if (auto proposed = propose(caller, *plan, proposal, running); !proposed)
      return std::move(proposed).error();
  const auto until = approved_until(caller, **key, *plan, proposal.request.recovery_proof);
  if (!until) return until.error();
  // The answer to a repeated request is the same.
  const Digest hash = protocol::plan_hash(*plan);
  if (running.consent && running.consent->plan_hash == hash && running.consent->not_after_ms <= *until &&
      running.consent->not_after_ms > caller.now_ms)
    return running.consent->encode();
  const Consent consent = Consent::make(*plan, *until, proposal.words, keyring_.identity());
  const std::string text = "consents to " + handover_label(*plan) + ", plan " + to_hex(hash) + ", until " +
                           protocol::format_utc_time(*until) + "; " + proposal.news;
  const auto nothing = [](Transaction&) -> Status { return Done{}; };
  if (auto durable = make_durable(caller, nothing, "handover: " + text); !durable)
    return std::move(durable).error();
  running.consent = consent;
  return consent.encode();
}

bool Handovers::has_a_say(const Key& key, const HandoverPlan& plan) const {
  const auto& parties = key.parameters()->parties;
  const auto asked = protocol::consenting_agents(plan, key.sharing);
  return std::ranges::any_of(asked, [&](std::size_t position) {
    return parties[position].identity_key == keyring_.identity().public_key();
  });
}

// A refresh gives no share to a party without one. Any administrator may ask for it, except with the kit's
// certificate, which may only take part in what it announced. Under any other plan an agent deals only with
// the consents of all agents that deal or keep a share, and its own operator may still have withdrawn
// approval.
Status Handovers::authorize(const Caller& caller, const Key& key, const HandoverPlan& plan,
                            const protocol::DealRequest& request) const {
  if (plan.refreshes(key.sharing)) {
    if (caller.client.identity.role != Role::admin)
      return Error(Code::denied, "a refresh needs a certificate of role admin");
    const auto transaction = store_.begin();  // which guards the caps
    if (!transaction) return transaction.error();
    return caps_.check_refresh(caller.key_id(), caller.now_ms);
  }
  if (caller.client.identity.role == Role::recovery || has_a_say(key, plan))
    if (const auto until = approved_until(caller, key, plan, request.recovery_proof); !until)
      return until.error();
  return protocol::check_consents(plan, key.sharing, request.consents, caller.now_ms);
}

}  // namespace coprotect::agent::custodian
