#include <algorithm>

#include "agent/custodian/handover_shares.h"
#include "agent/custodian/handovers.h"
#include "agent/custodian/sole_holder.h"
#include "protocol/crypto/hash.h"
#include "protocol/handover/quorums.h"
#include "protocol/message/onboarding.h"

// The rounds of a handover: offer, plan and deal, which leave nothing in the store; and prepare, which does.
namespace coprotect::agent::custodian {
namespace {

using protocol::HandoverPlan;

// After this much silence another client may begin; and after this long since the first offer, any client.
constexpr std::int64_t kStalledMs = 60'000;
constexpr std::int64_t kLongestMs = 10 * 60'000;
// Bytes of a bundle that another handover may follow.
constexpr std::size_t kMaxRefreshed = std::size_t{4} << 20;
constexpr std::size_t kMaxBundle = std::size_t{7} << 20;

Error other_handover(std::string_view what) {
  return {Code::conflict, "another handover of this key " + std::string(what)};
}

}  // namespace

Status Handovers::check_undecided(const Key& key, const HandoverPlan::Fields& plan) const {
  const std::uint32_t decided = std::max(key.decided, peers_.said(key.key_id()).decided);
  if (plan.epoch > decided && plan.epoch - decided <= protocol::kMaxEpochSkip) return Done{};
  return Error(Code::conflict, "epoch " + std::to_string(plan.epoch) +
                                   " is not to be decided here; the next one is " +
                                   std::to_string(std::max(decided, key.epoch()) + 1));
}

// Only one handover of a key runs at a time. A recovery administrator whose announcement may be carried out
// need not wait for an administrator, whose certificate may be stolen. An administrator need not wait for a
// recovery administrator, whose kit may be stolen. Nobody has to wait for a client that never finishes.
Status Handovers::make_room(const Caller& caller, const Running& present) const {
  using protocol::Role;
  const bool recovers = present.role == Role::admin &&
                        may_begin_announced(caller.key_id(), caller.client.key_hash, caller.now_ms);
  const bool kept_out = caller.client.identity.role == Role::admin && present.role != Role::admin &&
                        !may_begin_announced(caller.key_id(), present.client_key, caller.now_ms);
  const bool stalled = caller.now_ms - present.touched_ms >= kStalledMs;
  // Operators may take a day to approve what an administrator proposes.
  const bool operators = present.proposed && present.role == Role::admin;
  const std::int64_t patience = operators ? protocol::kMaxConsentMs : kLongestMs;
  const bool too_long = caller.now_ms - present.begun_ms >= patience;
  if (present.client == caller.uri() || recovers || kept_out || stalled || too_long) return Done{};
  return other_handover("is being run by " + present.client);
}

Result<Bytes> Handovers::offer(const Caller& caller) {
  const auto key = active(caller);
  if (!key) return key.error();
  const auto present = running_.find(caller.key_id());
  if (present != running_.end())
    if (auto room = make_room(caller, present->second); !room) return std::move(room).error();
  const bool again = present != running_.end() && present->second.client == caller.uri();
  const std::int64_t begun_ms = again ? present->second.begun_ms : caller.now_ms;
  auto own = offers_.make(**key);
  if (!own) return std::move(own).error();
  forget_running(caller.key_id());
  running_.insert_or_assign(caller.key_id(), Running{.client = caller.uri(),
                                                     .client_key = caller.client.key_hash,
                                                     .role = caller.client.identity.role,
                                                     .nonce = own->offer.nonce,
                                                     .ceremony_key = std::move(own->ceremony_key),
                                                     .plan = std::nullopt,
                                                     .deals = {},
                                                     .proposed = std::nullopt,
                                                     .consent = std::nullopt,
                                                     .begun_ms = begun_ms,
                                                     .touched_ms = caller.now_ms});
  return own->offer.encode();
}

Status Handovers::check_length(std::size_t bundle, bool refresh) {
  if (bundle <= (refresh ? kMaxRefreshed : kMaxBundle)) return Done{};
  return Error(Code::limited,
               "the key's bundle has " + std::to_string(bundle) + " bytes" +
                   (refresh ? ", too many for another refresh" : ", too many for another handover") +
                   ": make a new key with coprotect-provision rotate, and rewrap the files");
}

// Whether this agent may take part in the plan, whoever asks.
Status Handovers::check_plan(const Key& key, const Running& running, const HandoverPlan& plan) const {
  if (auto fits = plan.follows(key.sharing, key.bundle->newest_hash()); !fits) return fits;
  // Checked before anyone consents or deals: once all holders are replaced, no other agent may have the blob
  // for comparison.
  if (plan.changes_blob(key.sharing, protocol::sha256(key.recovery_blob)))
    return Error(Code::denied,
                 "handover plan: it names another recovery blob than the one that this agent keeps");
  if (auto fits = check_undecided(key, plan.fields()); !fits) return fits;
  if (auto fits = check_length(key.bundle->encoded().size(), plan.refreshes(key.sharing)); !fits) return fits;
  // A change of holders may follow a handover that a lost party keeps from finishing.
  if (plan.refreshes(key.sharing)) {
    if (const KeyPtr prepared = keys_.prepared(key.key_id()))
      return other_handover("is prepared here, to epoch " + std::to_string(prepared->epoch()) +
                            ", to be completed or aborted first");
    if (const auto older = keys_.superseded(key.key_id()); !older.empty())
      return other_handover("is not finished: not all agents are known to have left epoch " +
                            std::to_string(older.front()->epoch()));
  }
  const auto self = plan->parameters.position_of(keyring_.identity().public_key());
  if (self) {
    const auto& party = plan->parameters->parties[*self];
    if (party.nonce != running.nonce || party.ceremony_key != running.ceremony_key.public_key() ||
        party.mode != keeper_.mode() || party.name != settings_.role || party.url != settings_.url ||
        party.identity_certificate->der() != settings_.identity_certificate.der() ||
        !is_own_organisation(settings_, party, plan->parameters->client_ca))
      return Error(Code::conflict, "handover plan: not what this agent offered");
  }
  return Done{};
}

Result<HandoverPlan> Handovers::admit_plan(const Key& key, const Running& running,
                                           const protocol::DealRequest& request) const {
  auto plan = HandoverPlan::parse(request.plan);
  if (!plan) return plan;
  if (auto fits = check_plan(key, running, *plan); !fits) return std::move(fits).error();
  // A refresh does not change the quorums, so there is nothing to check.
  if (!plan->refreshes(key.sharing))
    if (auto few = protocol::check_quorum_count(protocol::PartShares::of((*plan)->parameters)); !few)
      return std::move(few).error().in("handover plan");
  if (auto offered = protocol::check_offers(*plan, key.sharing, request.offers); !offered)
    return std::move(offered).error();
  if (auto shared = check_that_nobody_suffices(settings_, (*plan)->parameters); !shared)
    return std::move(shared).error();
  return plan;
}

Result<std::vector<Bytes>> Handovers::deal_own_shares(const Key& key, const HandoverPlan& plan) {
  std::vector<Bytes> deals;
  for (const auto& [index, record] : key.shares) {
    if (std::ranges::find(plan->dealers, index) == plan->dealers.end()) continue;
    const auto deal =
        keeper_.deal(key.share_id(index), record, key.sharing.public_share(index), plan, system_random());
    if (!deal) return deal.error();
    deals.push_back(deal->encode());
  }
  return deals;
}

Result<Bytes> Handovers::deal(const Caller& caller, ByteView payload) {
  const auto request = protocol::DealRequest::parse(payload);
  if (!request) return request.error();
  const auto key = active(caller);
  if (!key) return key.error();
  const auto running = running_.find(caller.key_id());
  if (running == running_.end() || running->second.client != caller.uri())
    return Error(Code::conflict, "handover plan without an offer");
  running->second.touched_ms = caller.now_ms;
  // A repeated request for the same plan gets the same polynomials.
  if (running->second.plan && running->second.plan->encoded() == request->plan)
    return protocol::MessageList{running->second.deals}.encode();
  if (running->second.plan)
    return Error(Code::conflict, "handover plan: another one was dealt for this offer");

  auto plan = admit_plan(**key, running->second, *request);
  if (!plan) return std::move(plan).error();
  if (auto allowed = authorize(caller, **key, *plan, *request); !allowed) return std::move(allowed).error();
  auto deals = deal_own_shares(**key, *plan);
  if (!deals) return std::move(deals).error();
  running->second.deals = *std::move(deals);
  running->second.plan = *std::move(plan);
  return protocol::MessageList{running->second.deals}.encode();
}

Result<Bytes> Handovers::prepare(const Caller& caller, ByteView payload) {
  const auto request = protocol::PrepareRequest::parse(payload);
  if (!request) return request.error();
  const auto key = active(caller);
  if (!key) return key.error();
  const auto running = running_.find(caller.key_id());
  // A repeated request: the answer was lost.
  if (const KeyPtr before = keys_.prepared(caller.key_id());
      before != nullptr && running == running_.end() && is_prepared_from(*before, request->deals)) {
    const auto confirmation = confirmation_of(*before, keyring_.identity());
    if (!confirmation) return confirmation.error();
    return protocol::encode_signature(*confirmation);
  }
  if (running == running_.end() || running->second.client != caller.uri() || !running->second.plan)
    return Error(Code::conflict, "no handover of this key runs here");
  const HandoverPlan& plan = *running->second.plan;
  // Checked again: another handover may have been decided here since it dealt.
  if (auto fits = check_plan(**key, running->second, plan); !fits) return std::move(fits).error();
  const auto self = plan->parameters.position_of(keyring_.identity().public_key());
  if (!self) return Error(Code::malformed, "this agent has no share in " + handover_label(plan));
  const auto deals = parse_deals(request->deals, plan);
  if (!deals) return deals.error();
  const bool keeps_blob = plan.recovery_party() && !plan.renews_code((*key)->sharing);
  if (keeps_blob && !request->blob.empty() && request->blob != (*key)->recovery_blob)
    return Error(Code::malformed, "another recovery blob than the one that this agent has");
  auto prepared = prepare_key({.before = *(*key)->bundle,
                               .plan = plan,
                               .deals = *deals,
                               .blob = keeps_blob ? (*key)->recovery_blob : request->blob,
                               .possession = request->possession,
                               .ceremony_key = running->second.ceremony_key,
                               .self = *self,
                               .invitation = (*key)->invitation},
                              keeper_);
  if (!prepared) return std::move(prepared).error();

  // Records the decided epoch also in the row that stays.
  Key decided = **key;
  decided.decided = plan->epoch;
  std::vector<KeyPtr> older;
  if (KeyPtr other = keys_.prepared(caller.key_id())) older.push_back(std::move(other));
  const auto new_key = std::make_shared<const Key>(*std::move(prepared));
  if (auto durable = replace_keys(caller, {std::make_shared<const Key>(std::move(decided)), new_key}, older,
                                  "prepared " + handover_label(plan));
      !durable)
    return std::move(durable).error();
  // Erases what was prepared before. An error is no reason to prepare again: sweep() retries.
  if (!older.empty()) static_cast<void>(epochs_.finish());
  forget_running(caller.key_id());
  const auto confirmation = confirmation_of(*new_key, keyring_.identity());
  if (!confirmation) return confirmation.error();
  return protocol::encode_signature(*confirmation);
}

}  // namespace coprotect::agent::custodian
