#include "agent/custodian/ceremonies.h"
#include "agent/custodian/handover_shares.h"
#include "agent/custodian/handovers.h"
#include "agent/custodian/sole_holder.h"
#include "protocol/handover/quorums.h"
#include "protocol/handover/statements.h"

namespace coprotect::agent::custodian {

using protocol::Sid;

Result<Bytes> Ceremonies::confirm_again(const Key& prepared) const {
  if (prepared.state == KeyState::shelved) return Error(Code::conflict, "the handover was taken back");
  if (prepared.state != KeyState::prepared) return Error(Code::conflict, "the key is active");
  const auto confirmation = confirmation_of(prepared, keyring_.identity());
  if (!confirmation) return confirmation.error();
  return protocol::encode_signature(*confirmation);
}

// Whether this agent may get its first share under the plan. It must have no share, must not be promised one
// by another plan, and must not fall back behind what it knows of the key, or to an epoch that it was active
// in. Honest agents never reach such an epoch again, but all the dealing agents may have been rolled back.
Status Ceremonies::check_joins(const protocol::HandoverPlan& plan, const protocol::Bundle& before) const {
  if (keys_.active(plan->key_id) != nullptr)
    return Error(Code::conflict, "this agent holds the key already, and joins nothing");
  if (const KeyPtr other = keys_.prepared(plan->key_id))
    return Error(Code::conflict, "another handover of this key is prepared here, to epoch " +
                                     std::to_string(other->epoch()) + ", to be completed or aborted first");
  if (const KeyPtr left = keys_.left(plan->key_id); left != nullptr && !before.extends(*left->bundle))
    return Error(Code::conflict, "the bundle does not go on from epoch " + std::to_string(left->epoch()) +
                                     ", in which this agent left the key to others");
  if (const KeyPtr newest = keys_.newest(plan->key_id); newest != nullptr && plan->epoch <= newest->epoch())
    return Error(Code::conflict, "epoch " + std::to_string(newest->epoch()) +
                                     " of the key was decided here before: only a later one is joined");
  return Done{};
}

// One message carries the results of all earlier steps: the deals for this agent are sealed to the key of its
// offer.
Result<Bytes> Ceremonies::join(const Caller& caller, const Sid& sid, ByteView body) {
  const auto message = protocol::JoinMessage::parse(body);
  if (!message) return message.error();
  const auto invitation = invitations_.find(caller.invitation);
  if (!invitation) return invitation.error();
  if (message->invitation != caller.invitation || !protocol::verify_join_mac(invitation->secret, body))
    return Error(Code::unauthenticated,
                 "the message was not made with invitation " + to_hex(caller.invitation));
  caller.proved = true;
  caller.name_tenant(invitation->tenant);
  if (const auto key = key_of(caller, sid)) return confirm_again(**key);
  const auto plan = protocol::HandoverPlan::parse(message->plan);
  if (!plan) return plan.error();
  caller.name_tenant((*plan)->parameters->tenant);
  const auto running = running_.find(caller.invitation);
  if (running == running_.end() || !running->second.offer)
    return Error(Code::conflict, "a handover to this agent without an offer");

  const auto before = protocol::Bundle::parse(message->bundle);
  if (!before) return before.error();
  if (plan->sid() != sid) return Error(Code::malformed, "the plan is of another handover");
  const Offer& offer = *running->second.offer;
  if (auto fits = offer.check_is_for((*plan)->key_id, (*plan)->previous); !fits)
    return std::move(fits).error();
  if (auto own = check_own_party((*plan)->parameters, offer); !own) return std::move(own).error();
  // The dealers checked it, but they may be accomplices.
  if (auto few = protocol::check_quorum_count(protocol::PartShares::of((*plan)->parameters)); !few)
    return std::move(few).error();
  if (auto shared = check_that_nobody_suffices(settings_, (*plan)->parameters); !shared)
    return std::move(shared).error();
  if (auto joins = check_joins(*plan, *before); !joins) return std::move(joins).error();
  if (auto lives = lists_.check_not_destroyed((*plan)->parameters->tenant, (*plan)->key_id); !lives)
    return std::move(lives).error();
  const auto deals = parse_deals(message->deals, *plan);
  if (!deals) return deals.error();
  auto prepared = prepare_key({.before = *before,
                               .plan = *plan,
                               .deals = *deals,
                               .blob = message->blob,
                               .possession = message->possession,
                               .ceremony_key = offer.ceremony_key,
                               .self = *(*plan)->parameters.position_of(keyring_.identity().public_key()),
                               .invitation = caller.invitation},
                              keeper_);
  if (!prepared) return std::move(prepared).error();
  const auto key = std::make_shared<const Key>(*std::move(prepared));
  if (auto durable = make_durable(caller, key, "prepared " + handover_label(*plan)); !durable)
    return std::move(durable).error();
  running_.erase(caller.invitation);
  return confirm_again(*key);
}

// A plan names the nonce of one offer, and offers exist only in memory. Once that offer is dropped, and what
// was prepared with it removed, this agent cannot confirm the plan. So the statement made here binds it
// durably.
Result<Bytes> Ceremonies::void_join(const Caller& caller, const Sid& sid,
                                    const protocol::VoidMessage& message, ByteView body) {
  const auto invitation = invitations_.find(caller.invitation);
  if (!invitation) return invitation.error();
  if (message.invitation != caller.invitation || !protocol::verify_void_mac(invitation->secret, body))
    return Error(Code::unauthenticated,
                 "the message was not made with invitation " + to_hex(caller.invitation));
  caller.proved = true;
  caller.name_tenant(invitation->tenant);
  const auto plan = protocol::HandoverPlan::parse(message.plan);
  if (!plan) return plan.error();
  caller.name_tenant((*plan)->parameters->tenant);
  const auto self = (*plan)->parameters.position_of(keyring_.identity().public_key());
  if (plan->sid() != sid || !self) return Error(Code::malformed, "the plan is of others");
  if (keys_.active((*plan)->key_id) != nullptr)
    return Error(Code::conflict, "this agent holds the key: an administrator asks it to abort");
  const KeyPtr key = keys_.with_sid(sid);
  if (key != nullptr && key->state != KeyState::shelved) {
    if (key->invitation != caller.invitation || key->state != KeyState::prepared)
      return Error(Code::conflict, handover_label(*plan) + " is not of this invitation here");
    if (auto removed = remove(caller, *key); !removed) return std::move(removed).error();
  }
  // Also if it was removed earlier: its shares may not be erased yet.
  if (auto erased = epochs_.finish(); !erased) return std::move(erased).error();
  std::erase_if(running_, [&](const auto& entry) {
    const auto& offer = entry.second.offer;
    return offer && offer->nonce == (*plan)->parameters->parties[*self].nonce;
  });
  return protocol::encode_signature(protocol::void_handover(sid, keyring_.identity()));
}

}  // namespace coprotect::agent::custodian
