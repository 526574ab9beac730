#include <algorithm>

#include "agent/custodian/drills.h"
#include "agent/custodian/handover_shares.h"
#include "agent/custodian/handovers.h"
#include "agent/custodian/key_row.h"
#include "protocol/crypto/hash.h"
#include "protocol/handover/statements.h"
#include "protocol/message/acknowledged.h"

// How a prepared handover ends: it is activated and acknowledged by all, and the previous epoch erased; or it
// is aborted.
namespace coprotect::agent::custodian {
namespace {

using protocol::Bundle;
using protocol::check_acknowledged;
using protocol::HandoverPlan;
using protocol::Statement;

std::optional<protocol::Signature> statement_of(const protocol::Party& party,
                                                const std::vector<Statement>& statements) {
  const auto found = std::ranges::find_if(
      statements, [&](const Statement& s) { return s.party == party.identity_key.bytes(); });
  if (found == statements.end()) return std::nullopt;
  return found->signature;
}

// Whether a version belongs to the handover that made this key's epoch. No agent confirms two versions of one
// plan.
bool is_of(ByteView version, const Key& key) {
  const auto plan = protocol::HandoverVersion::plan_of(version);
  return plan && plan->sid() == key.sid();
}

// Whether another agent of these parties states that it will never confirm or acknowledge this. `self` does
// not count: a rolled-back store may have forgotten a confirmation made after such a statement.
bool somebody_voids(const std::vector<protocol::Party>& parties, const HandoverPlan& plan,
                    const std::vector<Statement>& voids, const protocol::VerifyKey& self) {
  return std::ranges::any_of(parties, [&](const protocol::Party& party) {
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
  // A refresh does not change the holders, so announcements about them stay. Otherwise anyone with an
  // administrator's certificate could end a wait with a refresh.
  const bool refreshed = plan->refreshes((*key)->sharing);
  std::string what = "activated epoch " + std::to_string(activated->epoch());
  if (renewed_code(*activated)) what += Drills::kCodeRenewed;
  if (refreshed) what += Caps::kRefresh;
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
  for (const KeyPtr& taken_back : keys_.shelved(caller.key_id()))
    if (is_of(request->version, *taken_back)) return resume(caller, *taken_back, request->acknowledgements);
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
  const auto older = keys_.before(**key);
  if (older.empty() && !(*key)->acknowledgements.empty()) return erased(caller);
  Key settled = **key;
  settled.acknowledgements = request->acknowledgements;
  if (auto durable =
          replace_keys(caller, {std::make_shared<const Key>(std::move(settled))}, older,
                       "handover: removed the shares before epoch " + std::to_string((*key)->epoch()));
      !durable)
    return std::move(durable).error();
  return erased(caller);
}

// Returns to an epoch that this agent gave up: the agent that said it never acknowledges it had in fact done
// so, and others may have erased the previous epoch.
Result<Bytes> Handovers::resume(const Caller& caller, const Key& key,
                                const std::vector<Statement>& acknowledgements) {
  if (auto all = check_acknowledged(*key.bundle, acknowledgements); !all) return std::move(all).error();
  const std::string label = "epoch " + std::to_string(key.epoch());
  const KeyPtr present = keys_.active(caller.key_id());
  if (const KeyPtr prepared = keys_.prepared(caller.key_id()))
    return Error(Code::conflict, label + " was taken back here, and epoch " +
                                     std::to_string(prepared->epoch()) + " is prepared: abort that first");
  // Of two epochs that follow the same one, an agent that acknowledged the later had given up the earlier.
  if (present != nullptr && present->epoch() > key.epoch())
    return Error(Code::conflict, label + " was taken back here, and the key went on to epoch " +
                                     std::to_string(present->epoch()) + " without it");
  Key again = key;
  again.state = KeyState::active;
  again.acknowledgements = acknowledgements;
  if (present != nullptr) again.decided = std::max(again.decided, present->decided);
  std::vector<KeyPtr> older = keys_.before(key);
  if (present != nullptr) older.push_back(present);
  const std::string what = "all had acknowledged " + label +
                           ", which was taken back here: it is active again" +
                           (renewed_code(key) ? std::string(Drills::kCodeRenewed) : "");
  if (auto durable =
          replace_keys(caller, {std::make_shared<const Key>(std::move(again))}, older, "handover: " + what);
      !durable)
    return std::move(durable).error();
  forget_running(caller.key_id());
  notify(caller, "activated", caller.uri() + " " + what);
  return erased(caller);
}

// Replies that the removed shares are erased.
Result<Bytes> Handovers::erased(const Caller& caller) {
  if (auto finished = epochs_.finish(caller.key_id()); !finished) return std::move(finished).error();
  return Bytes{};
}

// The key continues without this agent. It keeps the bundle, to refer clients to the new holders, and no
// share.
Result<Bytes> Handovers::leave(const Caller& caller, const Key& key, Bundle bundle) {
  if (bundle.parameters().position_of(keyring_.identity().public_key()))
    return Error(Code::conflict, "this agent has a share of epoch " + std::to_string(bundle.epoch()) +
                                     ", and did not activate it");
  // An agent that did not deal sees the plan only now. If the only good blob were erased, code and kit would
  // open nothing.
  const auto plan = protocol::HandoverVersion::plan_of(bundle.newest());
  if (!plan) return plan.error();
  if (plan->changes_blob(key.sharing, protocol::sha256(key.recovery_blob)))
    return Error(Code::denied, handover_label(*plan) +
                                   " names another recovery blob than the one that this agent keeps, without "
                                   "a new code: the shares and the blob stay");
  std::vector<KeyPtr> gone = keys_.superseded(caller.key_id());
  std::ranges::move(keys_.shelved(caller.key_id()), std::back_inserter(gone));
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

// An administrator may void an unfinished handover. A recovery administrator whose announcement has waited
// its full time may do so, too: if the company is lost, nobody else is left. Any other recovery administrator
// may have stolen the kit, and would keep out the new code that ends its use, and use up epochs with invented
// plans. It may void only its own handover, and what another agent voided: this plan, or any plan for the key
// if this one was not confirmed here.
Status Handovers::check_may_abort(const Caller& caller, const Key& key, const HandoverPlan& plan,
                                  const std::vector<Statement>& voids) const {
  if (caller.client.identity.role == protocol::Role::admin ||
      may_begin_announced(caller.key_id(), caller.client.key_hash, caller.now_ms))
    return Done{};
  const auto running = running_.find(caller.key_id());
  const bool own = running != running_.end() && running->second.client_key == caller.client.key_hash &&
                   running->second.plan && running->second.plan->sid() == plan.sid();
  const KeyPtr prepared = keys_.prepared(caller.key_id());
  const bool known = key.sid() == plan.sid() || (prepared != nullptr && prepared->sid() == plan.sid());
  const auto& parties = known ? plan->parameters->parties : key.parameters()->parties;
  if (own || somebody_voids(parties, plan, voids, keyring_.identity().public_key())) return Done{};
  return Error(Code::denied,
               handover_label(plan) +
                   " is voided by an administrator, or once another agent says that it will not "
                   "take part; a recovery administrator voids only what it runs itself, until "
                   "its announcement may be carried out");
}

// Before this agent confirmed, it need only state that it never will. After it confirmed, the others may have
// everything that completes the handover. So another agent that has to confirm or acknowledge it must first
// have stated that it never will. The tool, which asks for this, also confirms a new code. The first agent to
// state that never acknowledges the handover, so no agent erases the previous epoch for it.
Result<Bytes> Handovers::abort(const Caller& caller, ByteView payload) {
  const auto request = protocol::AbortRequest::parse(payload);
  if (!request) return request.error();
  const auto plan = HandoverPlan::parse(request->plan);
  if (!plan) return plan.error();
  if ((*plan)->key_id != caller.key_id()) return Error(Code::malformed, "the plan is of another key");
  for (const KeyPtr& taken_back : keys_.shelved(caller.key_id()))
    if (taken_back->sid() == plan->sid())
      return protocol::encode_signature(protocol::void_handover(plan->sid(), keyring_.identity()));
  const auto key = active(caller);
  if (!key) return key.error();

  if (auto may = check_may_abort(caller, **key, *plan, request->voids); !may) return std::move(may).error();

  const KeyPtr prepared = keys_.prepared(caller.key_id());
  const bool confirmed = prepared != nullptr && prepared->sid() == plan->sid();
  const bool activated = (*key)->sid() == plan->sid();
  const bool acknowledged = activated && !(*key)->acknowledgements.empty();
  if (acknowledged || (!activated && (*key)->bundle->includes(plan->sid())))
    return Error(Code::conflict, handover_label(*plan) + " is finished");
  if (confirmed || activated) {
    const bool tool_confirms = !activated && plan->renews_code((*key)->sharing);
    const bool void_elsewhere =
        somebody_voids((*plan)->parameters->parties, *plan, request->voids, keyring_.identity().public_key());
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

  Key decided = **key;
  // A plan that does not follow this bundle cannot be confirmed here, so it uses up no epoch number.
  if ((*plan)->epoch > std::max((*key)->epoch(), (*key)->decided)) {
    if (auto follows = plan->follows((*key)->sharing, (*key)->bundle->newest_hash()); !follows)
      return std::move(follows).error();
  }
  if ((*plan)->epoch > std::max(decided.decided, peers_.said(caller.key_id()).decided)) {
    if (auto fits = check_undecided(decided, plan->fields()); !fits) return std::move(fits).error();
    decided.decided = (*plan)->epoch;
  }
  if (decided.decided != (*key)->decided || confirmed) {
    // Following another agent's void uses up nothing that is not used up already.
    const bool said_elsewhere = somebody_voids((*key)->parameters()->parties, *plan, request->voids,
                                               keyring_.identity().public_key());
    const auto change = [&](Transaction& transaction) -> Status {
      if (confirmed) {
        if (auto removed = keys_.remove(transaction, *prepared); !removed) return removed;
      } else if (!said_elsewhere) {
        if (auto below = caps_.check_void(caller.uri(), caller.key_id(), caller.now_ms); !below) return below;
      }
      return keys_.put(transaction, std::make_shared<const Key>(std::move(decided)));
    };
    std::string what = "aborted " + handover_label(*plan);
    if (!confirmed) what += said_elsewhere ? ", as another agent had" : Caps::kVoid;
    if (auto durable = make_durable(caller, change, what); !durable) return std::move(durable).error();
  }
  const auto running = running_.find(caller.key_id());
  if (running != running_.end() && running->second.plan && running->second.plan->sid() == plan->sid())
    forget_running(caller.key_id());
  if (auto done = erased(caller); !done) return done;
  return protocol::encode_signature(protocol::void_handover(plan->sid(), keyring_.identity()));
}

// Returns to the previous epoch. No agent can have erased it, unless one both acknowledged and voided this
// plan. In case one did, the shares of this epoch are kept: resume(). An agent that had no share of the
// previous epoch has none in use again.
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
  Key taken_back = key;
  taken_back.state = KeyState::shelved;
  put.push_back(std::make_shared<const Key>(std::move(taken_back)));
  const std::string what = "aborted " + handover_label(plan) + ", which was active here" +
                           (renewed_code(key) ? std::string(Drills::kCodeTakenBack) : "");
  if (auto durable = replace_keys(caller, put, {}, what); !durable) return std::move(durable).error();
  if (auto done = erased(caller); !done) return done;
  return protocol::encode_signature(protocol::void_handover(plan.sid(), keyring_.identity()));
}

}  // namespace coprotect::agent::custodian
