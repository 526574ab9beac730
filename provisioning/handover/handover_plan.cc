#include <algorithm>

#include "protocol/crypto/hash.h"
#include "provisioning/handover/handover.h"
#include "provisioning/handover/next_epoch.h"
#include "provisioning/organisation.h"
#include "provisioning/report.h"

// The first step of a handover: makes the plan from each agent's offer.
namespace coprotect::provisioning {
namespace {

using protocol::HandoverPlan;
using protocol::KeeperMode;
using protocol::Party;

constexpr std::string_view kRecoveryName = "recovery";

// The hash in a plan.
Digest hash_of(const Bytes& blob) {
  return blob.empty() ? Digest{} : protocol::sha256(blob);
}

}  // namespace

Result<protocol::HandoverOffer> Handover::offer_of(const NewHolder& agent) {
  if (agent.holder != nullptr) return agent.holder->offer();
  return agent.invited->open({.tenant = now_.tenant(),
                              .purpose = now_.parameters()->purpose,
                              .suite = now_.parameters()->suite,
                              .key_id = now_.key_id(),
                              .newest_hash = now_.newest_hash()},
                             random_);
}

Result<Party> Handover::party_of(const NewHolder& agent, const protocol::HandoverOffer& offer,
                                 std::uint8_t index) const {
  if (agent.holder != nullptr) {
    Party party = agent.holder->party();
    party.indices = {index};
    party.nonce = offer.nonce;
    party.ceremony_key = offer.ceremony_key;
    party.mode = offer.mode;
    return party;
  }
  const protocol::Invitation& invitation = agent.invited->invitation();
  auto organisation =
      organisation_of(invitation, now_.tenant(), order_.ca_key, order_.is_ours(*agent.invited));
  if (!organisation) return std::move(organisation).error();
  return Party{.name = invitation.role,
               .indices = {index},
               .nonce = offer.nonce,
               .identity_key = invitation.identity_certificate.key(),
               .ceremony_key = offer.ceremony_key,
               .mode = offer.mode,
               .url = invitation.url,
               .identity_certificate = invitation.identity_certificate,
               .organisation = *std::move(organisation)};
}

Result<Party> Handover::recovery_party(std::uint8_t index) {
  const auto& present = now_.parameters()->parties;
  const auto known = std::ranges::find_if(present, [](const Party& party) { return !party.is_agent(); });
  const bool takes_part = order_.new_recovery != nullptr;
  if (takes_part && order_.ca_key == nullptr)
    return Error(Code::denied, "a new recovery code is certified with the client CA: its key is not at hand");
  if (!takes_part && known == present.end())
    return Error(Code::denied, "this key has no recovery share: make a recovery code first");
  Party party{
      .name = std::string(kRecoveryName),
      .indices = {index},
      .nonce = {},
      .identity_key = takes_part ? order_.new_recovery->administrator().public_key() : known->identity_key,
      .ceremony_key = order_.new_recovery != nullptr ? order_.new_recovery->hpke_key()
                                                     : now_.parameters()->recovery_key.value(),
      .mode = KeeperMode::not_an_agent,
      .url = {},
      .identity_certificate = std::nullopt,
      .organisation = takes_part
                          ? certify_recovery(now_.tenant(), *order_.ca_key, order_.new_recovery->hpke_key())
                          : known->organisation};
  random_.fill(party.nonce);
  return party;
}

std::vector<std::uint8_t> Handover::choose_dealers() const {
  std::vector<std::uint8_t> indices;
  for (const NewHolder& dealer : order_.dealers)
    indices.insert(indices.end(), dealer.holder->party().indices.begin(),
                   dealer.holder->party().indices.end());
  // If the recovery share deals, the announcement replaces the operators' approval.
  const std::size_t wanted = now_.parameters()->t - (order_.recovery_dealer ? 1u : 0u);
  if (indices.size() > wanted) indices.resize(wanted);
  if (order_.recovery_dealer) indices.push_back(order_.recovery_dealer->index);
  std::ranges::sort(indices);
  return indices;
}

// Every agent that deals or stays rejects a plan that names another blob than its own, unless the code is
// new. So an agent that reports a different blob is found before any agent is asked. With a new code the old
// blob is not needed, and the new one repairs a difference.
Result<Bytes> Handover::blob_in_use() {
  if (!now_.parameters().recovery_party()) return Bytes{};
  const auto& named = now_.sharing().blob_hash;
  Bytes found = order_.blob;
  std::string whose = "the kit";
  if (named && !found.empty() && protocol::sha256(found) != *named)
    return with_hint(
        Error(Code::wrong_code, "the agents hold the recovery share under a newer code than the kit's"),
        "use the newest kit and the code that was shown with it");
  if (order_.new_recovery != nullptr) return found;
  for (const NewHolder& agent : asked()) {
    auto kept = agent.holder->recovery_share();
    if (!kept) return std::move(kept).error();
    const std::string name = agent.name() + " agent";
    if (named && protocol::sha256(kept->first) != *named)
      return with_hint(Error(Code::altered, name + " shows another recovery blob than the one that epoch " +
                                                std::to_string(now_.epoch()) + " of the key names"),
                       "nothing was changed; coprotect-provision reshare replaces an agent that is not to be "
                       "trusted");
    if (!found.empty() && kept->first != found)
      return with_hint(
          Error(Code::altered, name + " shows another recovery blob than " + whose),
          "nothing was changed; the recovery kit has the one that is right: drill shows who has another");
    found = std::move(kept->first);
    whose = name;
  }
  return found;
}

// Greater than every epoch that a participating agent has decided. An agent that does not participate has no
// influence: it may be replaced because of what it says.
Result<std::uint32_t> Handover::choose_epoch() {
  std::vector<HolderAgent*> taking_part;
  std::vector<Decided> decided;
  for (const NewHolder& agent : asked()) {
    taking_part.push_back(agent.holder);
    decided.push_back({agent.holder->name(), agent.holder->decided()});
  }
  const auto epoch = next_epoch(now_.epoch(), decided);
  if (!epoch) return epoch;
  if (taking_part.empty()) return epoch;
  HolderAgent& furthest = **std::ranges::max_element(taking_part, {}, &HolderAgent::decided);
  for (HolderAgent* const agent : taking_part)
    if (auto done = bring_forward(*agent, *epoch, furthest); !done) return std::move(done).error();
  return epoch;
}

// An agent skips only a limited number of epochs after the last that it decided. One that fell behind,
// because handovers were aborted only at other agents, is told of epochs in between, which it voids. It is
// shown that another agent decided them. Otherwise it voids only a limited number per day.
Status Handover::bring_forward(HolderAgent& agent, std::uint32_t epoch, HolderAgent& furthest) {
  const Digest present_blob =
      now_.parameters().recovery_party() ? now_.sharing().blob_hash.value_or(hash_of(next_blob())) : Digest{};
  for (std::uint32_t decided = agent.decided(); epoch - decided > protocol::kMaxEpochSkip;) {
    decided += protocol::kMaxEpochSkip;
    const auto skipped = HandoverPlan::make({.key_id = now_.key_id(),
                                             .epoch = decided,
                                             .previous = now_.newest_hash(),
                                             .dealers = choose_dealers(),
                                             .blob_hash = present_blob,
                                             .parameters = now_.parameters()});
    if (!skipped) return skipped.error();
    protocol::AbortRequest request{.plan = skipped->encoded(), .voids = {}};
    if (const auto said = furthest.abort(request))
      request.voids.push_back({furthest.party().identity_key.bytes(), *said});
    if (const auto voided = agent.abort(request); !voided) return voided.error();
  }
  return Done{};
}

Status Handover::make_plan() {
  auto blob = blob_in_use();
  if (!blob) return std::move(blob).error();
  blob_ = *std::move(blob);
  if (order_.new_recovery != nullptr)
    if (auto sealed = order_.new_recovery->seal(now_.key_id(), now_.parameters()->suite); !sealed)
      return sealed;
  const auto epoch = choose_epoch();
  if (!epoch) return epoch.error();
  std::vector<Party> parties;
  for (const NewHolder& agent : order_.agents) {
    auto offer = offer_of(agent);
    if (!offer) return std::move(offer).error();
    auto party = party_of(agent, *offer, static_cast<std::uint8_t>(parties.size() + 1));
    if (!party) return std::move(party).error();
    parties.push_back(*std::move(party));
    offers_.push_back(*std::move(offer));
  }
  const auto n = static_cast<std::uint8_t>(parties.size() + 1);
  auto recovery = recovery_party(n);
  if (!recovery) return std::move(recovery).error();
  parties.push_back(*std::move(recovery));
  auto parameters = protocol::Parameters::make({.suite = now_.parameters()->suite,
                                                .purpose = now_.parameters()->purpose,
                                                .t = order_.t,
                                                .n = n,
                                                .tenant = now_.tenant(),
                                                .parties = std::move(parties),
                                                .client_ca = now_.parameters()->client_ca,
                                                .recovery_key = order_.new_recovery != nullptr
                                                                    ? order_.new_recovery->hpke_key()
                                                                    : now_.parameters()->recovery_key});
  if (!parameters) return std::move(parameters).error();
  auto plan = HandoverPlan::make({.key_id = now_.key_id(),
                                  .epoch = *epoch,
                                  .previous = now_.newest_hash(),
                                  .dealers = choose_dealers(),
                                  .blob_hash = hash_of(next_blob()),
                                  .parameters = *std::move(parameters)});
  if (!plan) return std::move(plan).error();
  if (auto fits = plan->follows(now_.sharing(), now_.newest_hash()); !fits) return fits;
  if (auto offered = protocol::check_offers(*plan, now_.sharing(), offers_); !offered) return offered;
  plan_.emplace(*std::move(plan));
  if (const auto& dealer = order_.recovery_dealer)
    recovery_proof_ = protocol::prove_recovery_share(*plan_, now_.sharing(), dealer->share, random_);
  return Done{};
}

}  // namespace coprotect::provisioning
