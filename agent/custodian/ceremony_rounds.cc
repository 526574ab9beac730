#include <algorithm>

#include "agent/custodian/ceremonies.h"
#include "agent/custodian/sole_holder.h"
#include "protocol/handover/quorums.h"

// The rounds of a key generation that leave nothing behind: offer, parameters, commit, reveal, deal.
namespace coprotect::agent::custodian {
namespace {

using protocol::Dealer;
using protocol::MacTag;
using protocol::MessageList;
using protocol::Sid;

constexpr std::size_t kMaxRunning = 16;

}  // namespace

Result<Bytes> Ceremonies::open(const Caller& caller, ByteView body) {
  auto message = protocol::OpenMessage::parse(body);
  if (!message) return std::move(message).error();
  const auto invitation = authenticate(caller, message->invitation, MacTag::open, body);
  if (!invitation) return invitation.error();
  caller.name_tenant(message->tenant);
  const std::string name = "invitation " + to_hex(caller.invitation);
  if (caller.now_ms > invitation->expires_ms) return Error(Code::denied, name + " has expired");
  if (!invitation->tenant.empty() && invitation->tenant != message->tenant)
    return Error(Code::denied, name + " is for tenant \"" + invitation->tenant + "\" alone");
  if (const KeyPtr key = keys_.of_invitation(caller.invitation)) {
    const bool spent = key->state != KeyState::prepared;
    return Error(Code::conflict,
                 name + (spent ? " is spent" : " has a prepared key, to be activated or aborted first"));
  }
  if (!running_.contains(caller.invitation) && running_.size() >= kMaxRunning)
    return Error(Code::limited, "too many ceremonies run at once");

  OwnOffer own = offers_.make(message->key_id, message->newest_hash);
  Offer offer{*std::move(message), own.offer.nonce, std::move(own.ceremony_key)};
  const protocol::OfferMessage reply{.offer = std::move(own.offer), .mac = {}};
  std::string tenant = offer.open.tenant;
  running_.insert_or_assign(caller.invitation,
                            Running{std::move(tenant), std::move(offer), std::nullopt, caller.now_ms});
  return reply.encode(invitation->secret, body);
}

Status Ceremonies::Offer::check_is_for(const protocol::KeyId& key_id, const Digest& newest_hash) const {
  if (open.key_id == key_id && open.newest_hash == newest_hash) return Done{};
  return Error(Code::conflict, "this agent made its offer for another version of a key");
}

Status Ceremonies::check_own_party(const protocol::Parameters& parameters, const Offer& offer) const {
  const auto refused = [](std::string_view what) {
    return Error(Code::conflict, std::string("parameters: not what this agent offered: ").append(what));
  };
  const auto self = parameters.position_of(keyring_.identity().public_key());
  if (!self) return refused("its identity key");
  const auto& party = parameters->parties[*self];
  if (party.name != settings_.role) return refused("its role");
  if (party.url != settings_.url) return refused("its URL");
  if (party.identity_certificate->der() != settings_.identity_certificate.der())
    return refused("its certificate");
  if (!is_own_organisation(settings_, party, parameters->client_ca)) return refused("its organisation");
  if (party.mode != keeper_.mode()) return refused("its mode");
  if (party.nonce != offer.nonce || party.ceremony_key != offer.ceremony_key.public_key())
    return refused("its nonce or key");
  if (parameters->tenant != offer.open.tenant) return refused("tenant");
  if (parameters->purpose != offer.open.purpose) return refused("purpose");
  if (parameters->suite != offer.open.suite) return refused("suite");
  return keys_.check_authority(parameters->tenant, parameters->client_ca);
}

Result<Bytes> Ceremonies::parameters(const Caller& caller, const Sid& sid, ByteView body) {
  const auto message = protocol::ParametersMessage::parse(body);
  if (!message) return message.error();
  const auto invitation = authenticate(caller, message->invitation, MacTag::parameters, body);
  if (!invitation) return invitation.error();
  auto parsed = protocol::Parameters::parse(message->parameters);
  if (!parsed) return std::move(parsed).error();
  caller.name_tenant((*parsed)->tenant);
  const auto running = running_.find(caller.invitation);
  if (running == running_.end() || !running->second.offer)
    return Error(Code::conflict, "parameters without an offer");

  if (parsed->sid() != sid) return Error(Code::malformed, "parameters are of another ceremony");
  if (auto fits = running->second.offer->check_is_for({}, {}); !fits) return std::move(fits).error();
  if (auto own = check_own_party(*parsed, *running->second.offer); !own) return std::move(own).error();
  if (auto split = check_that_nobody_suffices(settings_, *parsed); !split) return std::move(split).error();
  if (auto few = check_agents_of_new_key(settings_, *parsed); !few) return std::move(few).error();
  // A new key with more quorums could never get a new code: the agents would refuse the plan.
  if (auto few = protocol::check_quorum_count(protocol::PartShares::of(*parsed)); !few)
    return std::move(few).error().in("parameters");

  const std::size_t self = *parsed->position_of(keyring_.identity().public_key());
  auto dealer = Dealer::start(*std::move(parsed), self, keyring_.identity(),
                              std::move(running->second.offer->ceremony_key), system_random());
  running->second.offer.reset();
  if (!dealer) return std::move(dealer).error();
  running->second.touched_ms = caller.now_ms;
  return running->second.dealer.emplace(*std::move(dealer)).commit();
}

Result<Dealer*> Ceremonies::dealer_of(const Caller& caller, const Sid& sid) {
  const auto running = running_.find(caller.invitation);
  if (running == running_.end() || !running->second.dealer ||
      running->second.dealer->parameters().sid() != sid)
    return Error(Code::not_found, "ceremony " + to_hex(sid) + " does not run here");
  running->second.touched_ms = caller.now_ms;
  caller.proved = true;
  return &*running->second.dealer;
}

Result<Bytes> Ceremonies::reveal(const Caller& caller, const Sid& sid, ByteView body) {
  const auto dealer = dealer_of(caller, sid);
  if (!dealer) return dealer.error();
  const auto commits = MessageList::parse(body);
  if (!commits) return commits.error();
  return (*dealer)->reveal(commits->messages);
}

Result<Bytes> Ceremonies::deal(const Caller& caller, const Sid& sid, ByteView body) {
  const auto dealer = dealer_of(caller, sid);
  if (!dealer) return dealer.error();
  const auto reveals = MessageList::parse(body);
  if (!reveals) return reveals.error();
  return (*dealer)->deal(reveals->messages);
}

}  // namespace coprotect::agent::custodian
