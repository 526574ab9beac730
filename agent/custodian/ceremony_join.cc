#include "agent/custodian/ceremonies.h"
#include "agent/custodian/handover_shares.h"
#include "agent/custodian/handovers.h"
#include "protocol/message/handover.h"

namespace coprotect::agent::custodian {

using protocol::Sid;

Result<Bytes> Ceremonies::confirm_again(const Key& prepared) const {
  if (prepared.state != KeyState::prepared) return Error(Code::conflict, "the key is active");
  const auto confirmation = confirmation_of(prepared, keyring_.identity());
  if (!confirmation) return confirmation.error();
  return protocol::encode_signature(*confirmation);
}

// One message brings all that others did before: what was dealt to this agent is sealed to the key of its
// offer.
Result<Bytes> Ceremonies::join(const Caller& caller, const Sid& sid, ByteView body) {
  const auto message = protocol::JoinMessage::parse(body);
  if (!message) return message.error();
  const auto invitation = invitations_.find(caller.invitation);
  if (!invitation) return invitation.error();
  if (message->invitation != caller.invitation || !protocol::verify_join_mac(invitation->secret, body))
    return Error(Code::unauthenticated,
                 "the message was not made with invitation " + to_hex(caller.invitation));
  if (const auto key = key_of(caller, sid)) return confirm_again(**key);
  const auto running = running_.find(caller.invitation);
  if (running == running_.end() || !running->second.offer)
    return Error(Code::conflict, "a handover to this agent without an offer");

  const auto before = protocol::Bundle::parse(message->bundle);
  if (!before) return before.error();
  const auto plan = protocol::HandoverPlan::parse(message->plan);
  if (!plan) return plan.error();
  if (plan->sid() != sid) return Error(Code::malformed, "the plan is of another handover");
  if (auto own = check_own_party((*plan)->parameters, *running->second.offer); !own)
    return std::move(own).error();
  if (keys_.active((*plan)->key_id) != nullptr)
    return Error(Code::conflict, "this agent holds the key already, and joins nothing");
  const auto deals = parse_deals(message->deals, *plan);
  if (!deals) return deals.error();
  auto prepared = prepare_key({.before = *before,
                               .plan = *plan,
                               .deals = *deals,
                               .blob = message->blob,
                               .ceremony_key = running->second.offer->ceremony_key,
                               .self = *(*plan)->parameters.position_of(keyring_.identity().public_key()),
                               .invitation = caller.invitation},
                              keeper_);
  if (!prepared) return std::move(prepared).error();
  const auto key = std::make_shared<const Key>(*std::move(prepared));
  if (auto durable = make_durable(caller, key, "prepared " + handover_label(*plan)); !durable) {
    erase_shares(*key);
    return std::move(durable).error();
  }
  running_.erase(caller.invitation);
  return confirm_again(*key);
}

}  // namespace coprotect::agent::custodian
