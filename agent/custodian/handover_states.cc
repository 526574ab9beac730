#include <algorithm>

#include "agent/custodian/drills.h"
#include "agent/custodian/handover_shares.h"
#include "agent/custodian/handovers.h"
#include "agent/custodian/key_row.h"
#include "protocol/handover/statements.h"

// How a prepared handover ends: activated, acknowledged by all, and the epoch before erased; or aborted.
namespace coprotect::agent::custodian {
namespace {

using protocol::Bundle;
using protocol::HandoverPlan;
using protocol::Statement;

std::optional<protocol::Signature> statement_of(const protocol::Party& party,
                                                const std::vector<Statement>& statements) {
  const auto found = std::ranges::find_if(
      statements, [&](const Statement& s) { return s.party == party.identity_key.bytes(); });
  if (found == statements.end()) return std::nullopt;
  return found->signature;
}

// Whether a version is of the handover that made this key's epoch. Nobody confirms two of one plan.
bool is_of(ByteView version, const Key& key) {
  const auto plan = protocol::HandoverVersion::plan_of(version);
  return plan && plan->sid() == key.sid();
}

// Code::conflict names an agent of the new epoch who did not say that it uses it.
Status check_acknowledged(const Bundle& bundle, const std::vector<Statement>& acknowledgements) {
  for (const protocol::Party& party : bundle.parameters()->parties) {
    if (!party.is_agent()) continue;
    const auto said = statement_of(party, acknowledgements);
    if (!said || !protocol::verify_acknowledgement(party.identity_key, bundle.sharing().sid,
                                                   bundle.newest_hash(), *said))
      return Error(Code::conflict, party_label(party) + " did not acknowledge epoch " +
                                       std::to_string(bundle.epoch()) + ": older shares stay");
  }
  return Done{};
}

// Whether another agent of the new epoch says that it will never confirm or acknowledge this.
// `self` does not count: a store that was put back may have forgotten what it confirmed after it said so.
bool somebody_voids(const HandoverPlan& plan, const std::vector<Statement>& voids,
                    const protocol::VerifyKey& self) {
  return std::ranges::any_of(plan->parameters->parties, [&](const protocol::Party& party) {
    const auto said = statement_of(party, voids);
    return party.is_agent() && party.identity_key != self && said &&
           protocol::verify_void(party.identity_key, plan.sid(), *said);
  });
}

}  // namespace

Result<Bytes> Handovers::activate(const Caller& caller, ByteView version) {
  auto key = active(caller);
  if (!key) return std::move(key).error();
  if (is_of(version, **key))
    return protocol::encode_signature(acknowledgement_of(**key, keyring_.identity()));

  auto bundle = (*key)->bundle->followed_by(version);
  if (!bundle) return std::move(bundle).error();
  const KeyPtr prepared = keys_.prepared(caller.key_id());
  if (prepared == nullptr || !completes(*bundle, *prepared))
    return Error(Code::conflict, "epoch " + std::to_string(bundle->epoch()) +
                                     " of this handover was not prepared here, or was aborted");
  Key newer = *prepared;
  newer.state = KeyState::active;
  newer.bundle = *std::move(bundle);
  newer.preparation.clear();
  newer.decided = std::max(newer.decided, (*key)->decided);
  Key older = **key;
  older.state = KeyState::superseded;
  const auto activated = std::make_shared<const Key>(std::move(newer));
  const auto plan = protocol::HandoverVersion::plan_of(version);
  if (!plan) return plan.error();
  const std::string what = "activated epoch " + std::to_string(activated->epoch()) +
                           (plan->needs_code((*key)->sharing) ? std::string(Drills::kCodeOpened) : "");
  // A refresh leaves the holders as they are, and what is announced about them. Otherwise somebody with an
  // administrator's certificate could end a wait by one.
  const bool refreshed = plan->refreshes((*key)->sharing);
  const auto change = [&](Transaction& transaction) -> Status {
    if (auto put = keys_.put(transaction, std::make_shared<const Key>(std::move(older))); !put) return put;
    if (auto put = keys_.put(transaction, activated); !put) return put;
    if (refreshed) return Done{};
    return announcements_.remove(transaction, caller.key_id());
  };
  if (auto durable = make_durable(caller, change, "handover: " + what); !durable)
    return std::move(durable).error();
  if (!refreshed) contacts_.forget(caller.key_id());
  notify(caller, "activated", caller.uri() + " " + what);
  return protocol::encode_signature(acknowledgement_of(*activated, keyring_.identity()));
}

Result<Bytes> Handovers::retire(const Caller& caller, ByteView payload) {
  const auto request = protocol::RetireRequest::parse(payload);
  if (!request) return request.error();
  if (const KeyPtr left = keys_.left(caller.key_id()); left != nullptr && is_of(request->version, *left))
    return erased(caller);
  const auto key = active(caller);
  if (!key) return key.error();
  if (!is_of(request->version, **key)) {
    auto next = (*key)->bundle->followed_by(request->version);
    if (!next) return std::move(next).error();
    if (auto all = check_acknowledged(*next, request->acknowledgements); !all) return std::move(all).error();
    return leave(caller, **key, *std::move(next));
  }
  if (auto all = check_acknowledged(*(*key)->bundle, request->acknowledgements); !all)
    return std::move(all).error();
  const auto older = keys_.superseded(caller.key_id());
  if (older.empty()) return erased(caller);
  if (auto durable = replace_keys(
          caller, {}, older, "handover: removed the shares before epoch " + std::to_string((*key)->epoch()));
      !durable)
    return std::move(durable).error();
  return erased(caller);
}

// The answer that says that the shares which were removed are erased.
Result<Bytes> Handovers::erased(const Caller& caller) {
  if (auto finished = epochs_.finish(caller.key_id()); !finished) return std::move(finished).error();
  return Bytes{};
}

// The key goes on without this agent: it keeps the bundle, to tell clients where, and no share.
Result<Bytes> Handovers::leave(const Caller& caller, const Key& key, Bundle bundle) {
  if (bundle.parameters().position_of(keyring_.identity().public_key()))
    return Error(Code::conflict, "this agent has a share of epoch " + std::to_string(bundle.epoch()) +
                                     ", and did not activate it");
  std::vector<KeyPtr> gone = keys_.superseded(caller.key_id());
  gone.push_back(std::make_shared<const Key>(key));
  if (KeyPtr prepared = keys_.prepared(caller.key_id())) gone.push_back(std::move(prepared));
  const auto left = std::make_shared<const Key>(Key{.state = KeyState::left,
                                                    .invitation = key.invitation,
                                                    .sharing = bundle.sharing(),
                                                    .bundle = bundle,
                                                    .preparation = {},
                                                    .shares = {},
                                                    .recovery_blob = {},
                                                    .recovery_parts = {},
                                                    .decided = bundle.epoch(),
                                                    .self = kNowhere});
  const std::string what =
      "handed the key over to others; removed the shares of epoch " + std::to_string(key.epoch());
  if (auto durable = replace_keys(caller, {left}, gone, "handover: " + what); !durable)
    return std::move(durable).error();
  forget_running(caller.key_id());
  notify(caller, "left", caller.uri() + " " + what);
  return erased(caller);
}

// Before this agent confirmed, it need only say that it never will. Afterwards the others may have what
// completes the handover, so another agent that has to confirm or acknowledge it must have said first that it
// never will. A new code is confirmed by the tool, too, which asks for this. Who was first to say so never
// acknowledges the handover, so nobody erases the epoch before for it.
Result<Bytes> Handovers::abort(const Caller& caller, ByteView payload) {
  const auto request = protocol::AbortRequest::parse(payload);
  if (!request) return request.error();
  const auto key = active(caller);
  if (!key) return key.error();
  const auto plan = HandoverPlan::parse(request->plan);
  if (!plan) return plan.error();
  if ((*plan)->key_id != caller.key_id()) return Error(Code::malformed, "the plan is of another key");

  const KeyPtr prepared = keys_.prepared(caller.key_id());
  const bool confirmed = prepared != nullptr && prepared->sid() == plan->sid();
  const bool activated = (*key)->sid() == plan->sid();
  if (!activated && (*key)->bundle->includes(plan->sid()))
    return Error(Code::conflict, handover_label(*plan) + " is finished");
  if (confirmed || activated) {
    const bool tool_confirms = !activated && plan->renews_code((*key)->sharing);
    const bool void_elsewhere = somebody_voids(*plan, request->voids, keyring_.identity().public_key());
    if (!void_elsewhere && !tool_confirms)
      return Error(Code::conflict, handover_label(*plan) + (activated ? " is active" : " is confirmed") +
                                       " here: it can be completed, or be aborted once another party of it "
                                       "says that it will not take part");
  }
  if (activated) return revert(caller, **key, *plan);
  if (!confirmed && (*plan)->epoch <= peers_.said(caller.key_id()).acknowledged)
    return Error(Code::conflict,
                 handover_label(*plan) +
                     " may have been acknowledged here: this agent's store was put back to an "
                     "older one. Replace the agent: coprotect-provision restore");

  std::vector<KeyPtr> gone;
  if (confirmed) gone.push_back(prepared);
  Key decided = **key;
  // What does not follow this bundle cannot be confirmed here: it uses up no number of an epoch.
  if ((*plan)->epoch > (*key)->epoch()) {
    if (auto follows = plan->follows((*key)->sharing, (*key)->bundle->newest_hash()); !follows)
      return std::move(follows).error();
  }
  if ((*plan)->epoch > std::max(decided.decided, peers_.said(caller.key_id()).decided)) {
    if (auto fits = check_undecided(decided, plan->fields()); !fits) return std::move(fits).error();
    decided.decided = (*plan)->epoch;
  }
  if (decided.decided != (*key)->decided || confirmed) {
    if (auto durable = replace_keys(caller, {std::make_shared<const Key>(std::move(decided))}, gone,
                                    "aborted " + handover_label(*plan));
        !durable)
      return std::move(durable).error();
  }
  const auto running = running_.find(caller.key_id());
  if (running != running_.end() && running->second.plan && running->second.plan->sid() == plan->sid())
    forget_running(caller.key_id());
  if (auto done = erased(caller); !done) return done;
  return protocol::encode_signature(protocol::void_handover(plan->sid(), keyring_.identity()));
}

// Back to the epoch before, which nobody can have erased: that takes everybody's acknowledgement. Who had no
// share then, has none again.
Result<Bytes> Handovers::revert(const Caller& caller, const Key& key, const HandoverPlan& plan) {
  if (const KeyPtr prepared = keys_.prepared(caller.key_id()))
    return Error(Code::conflict, "epoch " + std::to_string(prepared->epoch()) +
                                     " is prepared here, and follows " + handover_label(plan));
  const auto older = keys_.superseded(caller.key_id());
  std::vector<KeyPtr> put;
  if (!older.empty()) {
    Key back = *older.back();
    back.state = KeyState::active;
    back.decided = std::max(back.decided, key.decided);
    put.push_back(std::make_shared<const Key>(std::move(back)));
  } else if (key.bundle->sharing_before()->parameters.position_of(keyring_.identity().public_key())) {
    return Error(Code::conflict, handover_label(plan) + " is finished");
  }
  const auto gone = std::make_shared<const Key>(key);
  if (auto durable = replace_keys(caller, put, {gone},
                                  "aborted " + handover_label(plan) + ", which was active here alone");
      !durable)
    return std::move(durable).error();
  if (auto done = erased(caller); !done) return done;
  return protocol::encode_signature(protocol::void_handover(plan.sid(), keyring_.identity()));
}

}  // namespace coprotect::agent::custodian
