#include "provisioning/handover/handover.h"

#include <algorithm>
#include <array>
#include <set>
#include <thread>

#include "protocol/crypto/hash.h"
#include "protocol/handover/statements.h"
#include "provisioning/handover/completion.h"
#include "provisioning/organisation.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

using protocol::HandoverPlan;
using protocol::KeeperMode;
using protocol::Party;
using protocol::Signature;

constexpr std::string_view kRecoveryName = "recovery";
// No agent has a reason to be so far past the key's epoch; each step of kMaxEpochSkip costs the others a
// call.
constexpr std::uint32_t kMaxLead = 65'536;
// How often the agents are asked whether their operators have approved: an offer is good for a minute of
// silence, and every question is recorded.
constexpr std::chrono::seconds kEagerly{30};
constexpr std::chrono::milliseconds kSoon{500};
constexpr std::chrono::milliseconds kLater{20'000};

std::vector<Bytes> encode_all(const std::vector<protocol::Deal>& deals) {
  std::vector<Bytes> encoded;
  for (const protocol::Deal& deal : deals) encoded.push_back(deal.encode());
  return encoded;
}

std::vector<protocol::PublicDeal> public_parts(const std::vector<protocol::Deal>& deals) {
  std::vector<protocol::PublicDeal> parts;
  for (const protocol::Deal& deal : deals)
    parts.push_back({.index = deal.open.index,
                     .commitments = deal.open.commitments,
                     .sealed_hash = deal.open.sealed_hash,
                     .part_hash = deal.open.part_hash,
                     .proof_r = deal.open.proof_r,
                     .proof_z = deal.open.proof_z.clone()});
  return parts;
}

}  // namespace

Handover::Handover(protocol::Bundle now, HandoverOrder order, const Operator& person, Random& random)
    : now_(std::move(now)),
      order_(std::move(order)),
      operator_(person),
      random_(random),
      recovery_identity_(protocol::SigningKey::generate(random)) {}

Status Handover::prepare() {
  struct Step {
    std::string_view text;
    Status (Handover::*run)();
  };
  constexpr std::array kSteps = {
      Step{"agreeing on who holds the key next", &Handover::make_plan},
      Step{"the operators of the agents that deal consent", &Handover::gather_consents},
      Step{"the present holders deal their shares, sealed to the next ones", &Handover::deal},
      Step{"the recovery code", &Handover::seal_recovery_key},
      Step{"the next holders check what they and recovery were dealt, and seal it in their token",
           &Handover::let_all_prepare},
  };
  for (std::size_t i = 0; i < kSteps.size(); ++i) {
    operator_.progress("[" + std::to_string(i + 1) + "/" + std::to_string(kSteps.size()) + "] " +
                       std::string(kSteps[i].text));
    if (auto done = (this->*kSteps[i].run)(); !done) {
      abort();
      return done;
    }
  }
  return Done{};
}

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
  Party party{.name = std::string(kRecoveryName),
              .indices = {index},
              .nonce = {},
              .identity_key = recovery_identity_.public_key(),
              .ceremony_key = order_.new_recovery != nullptr ? order_.new_recovery->hpke_key()
                                                             : now_.parameters()->recovery_key.value(),
              .mode = KeeperMode::not_an_agent,
              .url = {},
              .identity_certificate = std::nullopt,
              .organisation = takes_part ? certify_recovery(now_.tenant(), *order_.ca_key,
                                                            order_.new_recovery->hpke_key())
                                         : known->organisation};
  random_.fill(party.nonce);
  if (takes_part) return party;
  // Its identity stays what it was.
  party.identity_key = known->identity_key;
  return party;
}

std::vector<std::uint8_t> Handover::choose_dealers() const {
  std::vector<std::uint8_t> indices;
  for (const NewHolder& dealer : order_.dealers)
    indices.insert(indices.end(), dealer.holder->party().indices.begin(),
                   dealer.holder->party().indices.end());
  if (order_.recovery_dealer) indices.push_back(order_.recovery_dealer->index);
  if (indices.size() > now_.parameters()->t) indices.resize(now_.parameters()->t);
  std::ranges::sort(indices);
  return indices;
}

// Greater than every epoch that an agent which is to take part has decided. Who takes no part has no say: it
// may be replaced for what it says.
Result<std::uint32_t> Handover::choose_epoch() {
  std::uint32_t newest = now_.epoch();
  std::vector<HolderAgent*> asked;
  for (const auto* const list : {&order_.agents, &order_.dealers})
    for (const NewHolder& agent : *list)
      if (agent.holder != nullptr) asked.push_back(agent.holder);
  for (const HolderAgent* const agent : asked) {
    if (agent->decided() > now_.epoch() + kMaxLead)
      return with_hint(
          Error(Code::conflict, agent->name() + " agent says that epoch " + std::to_string(agent->decided()) +
                                    " is decided there, and the key is in epoch " +
                                    std::to_string(now_.epoch())),
          "its log says who aborted so many handovers; coprotect-provision reshare replaces it");
    newest = std::max(newest, agent->decided());
  }
  for (HolderAgent* const agent : asked)
    if (auto done = bring_forward(*agent, newest + 1); !done) return std::move(done).error();
  return newest + 1;
}

// An agent goes a bounded number of epochs past the last that it decided. One that was left behind, because
// handovers were aborted at others alone, is told of epochs between, which it voids.
Status Handover::bring_forward(HolderAgent& agent, std::uint32_t epoch) {
  for (std::uint32_t decided = agent.decided(); epoch - decided > protocol::kMaxEpochSkip;) {
    decided += protocol::kMaxEpochSkip;
    const auto skipped = HandoverPlan::make({.key_id = now_.key_id(),
                                             .epoch = decided,
                                             .previous = now_.newest_hash(),
                                             .dealers = choose_dealers(),
                                             .parameters = now_.parameters()});
    if (!skipped) return skipped.error();
    if (const auto voided = agent.abort({.plan = skipped->encoded(), .voids = {}}); !voided)
      return voided.error();
  }
  return Done{};
}

Status Handover::make_plan() {
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
                                  .parameters = *std::move(parameters)});
  if (!plan) return std::move(plan).error();
  if (auto fits = plan->follows(now_.sharing(), now_.newest_hash()); !fits) return fits;
  if (auto offered = protocol::check_offers(*plan, now_.sharing(), offers_); !offered) return offered;
  plan_.emplace(*std::move(plan));
  if (const auto& dealer = order_.recovery_dealer)
    recovery_proof_ = protocol::prove_recovery_share(*plan_, now_.sharing(), dealer->share, random_);
  return Done{};
}

std::vector<NewHolder> Handover::asked() const {
  std::vector<NewHolder> asked;
  for (const NewHolder& agent : order_.agents)
    if (agent.holder != nullptr) asked.push_back(agent);
  for (const NewHolder& dealer : order_.dealers) {
    const bool known =
        std::ranges::any_of(asked, [&](const NewHolder& agent) { return agent.holder == dealer.holder; });
    const bool deals = std::ranges::any_of(dealer.holder->party().indices, [&](std::uint8_t index) {
      return std::ranges::find((*plan_)->dealers, index) != (*plan_)->dealers.end();
    });
    if (deals && !known) asked.push_back(dealer);
  }
  return asked;
}

// An agent that joins forgets an offer that nobody comes back to.
void Handover::keep_joiners_waiting() {
  for (const NewHolder& agent : order_.agents)
    if (agent.holder == nullptr) static_cast<void>(agent.invited->status(random_));
}

// Asks every agent. Code::limited names one whose operator has not approved.
Status Handover::ask_for_consents(const std::vector<NewHolder>& agents, std::set<std::string>& told) {
  const protocol::DealRequest request{
      .plan = plan_->encoded(), .offers = offers_, .consents = {}, .recovery_proof = recovery_proof_};
  std::optional<Error> waits;
  consents_.clear();
  for (const NewHolder& agent : agents) {
    const auto consent = agent.holder->consent(request);
    if (consent && !consent->empty()) consents_.push_back(*consent);
    if (consent) continue;
    if (consent.error().code() != Code::limited) return consent.error();
    waits = consent.error();
    if (told.insert(agent.name()).second) operator_.progress(consent.error().message());
  }
  if (waits) return *std::move(waits);
  return Done{};
}

// Each agent shows the plan to its operator and waits. All are asked again and again: that keeps their offers
// alive, and an operator may take back what it said.
Status Handover::gather_consents() {
  const std::vector<NewHolder> agents = asked();
  // An agent that leaves has made no offer for the plan, but begins with one.
  for (const NewHolder& agent : agents)
    if (!(*plan_)->parameters.position_of(agent.holder->party().identity_key))
      if (const auto offer = agent.holder->offer(); !offer) return offer.error();
  if (plan_->refreshes(now_.sharing())) return Done{};
  const auto begun = std::chrono::steady_clock::now();
  std::set<std::string> told;
  for (;;) {
    auto all = ask_for_consents(agents, told);
    const auto waited = std::chrono::steady_clock::now() - begun;
    if (all || all.error().code() != Code::limited) return all;
    if (waited >= order_.wait)
      return with_hint(
          std::move(all).error(),
          "run the command again when the operators are there; --wait says for how long they are "
          "waited for");
    keep_joiners_waiting();
    std::this_thread::sleep_for(waited < kEagerly ? kSoon : kLater);
  }
}

Status Handover::deal() {
  const protocol::DealRequest request{
      .plan = plan_->encoded(), .offers = offers_, .consents = consents_, .recovery_proof = recovery_proof_};
  for (const NewHolder& agent : asked()) {
    const auto encoded = agent.holder->deal(request);
    if (!encoded) return encoded.error();
    for (const Bytes& bytes : *encoded) {
      auto deal = protocol::Deal::parse(bytes, *plan_);
      if (!deal) return std::move(deal).error().in(agent.holder->name() + " agent");
      deals_.push_back(*std::move(deal));
    }
  }
  const auto& dealers = (*plan_)->dealers;
  if (order_.recovery_dealer && std::ranges::find(dealers, order_.recovery_dealer->index) != dealers.end()) {
    auto deal =
        protocol::make_deal(*plan_, order_.recovery_dealer->index, order_.recovery_dealer->share, random_);
    if (!deal) return std::move(deal).error();
    deals_.push_back(*std::move(deal));
  }
  std::ranges::sort(deals_, {}, [](const protocol::Deal& deal) { return deal.open.index; });
  return Done{};
}

Status Handover::seal_recovery_key() {
  if (order_.new_recovery == nullptr) return Done{};
  if (auto sealed = order_.new_recovery->seal(now_.key_id(), now_.parameters()->suite); !sealed)
    return sealed;
  if (auto opened = order_.new_recovery->reopen(); !opened) return opened;
  const Signature signature = order_.new_recovery->prove_possession(plan_->sid());
  possession_.assign(signature.begin(), signature.end());
  return Done{};
}

Result<Signature> Handover::prepare_at(const NewHolder& agent, const Bytes& blob) {
  const std::vector<Bytes> deals = encode_all(deals_);
  if (agent.holder != nullptr)
    return agent.holder->prepare(
        {.deals = deals, .blob = order_.new_recovery != nullptr ? blob : Bytes{}, .possession = possession_});
  return agent.invited->join(plan_->sid(), {.invitation = agent.invited->invitation().id,
                                            .bundle = now_.encoded(),
                                            .plan = plan_->encoded(),
                                            .deals = deals,
                                            .blob = blob,
                                            .possession = possession_,
                                            .mac = {}});
}

Status Handover::let_all_prepare() {
  const Bytes blob = order_.new_recovery != nullptr ? order_.new_recovery->blob().encoded() : order_.blob;
  const auto transcript = protocol::HandoverTranscript::make(now_.sharing(), now_.newest_hash(), *plan_,
                                                             public_parts(deals_), protocol::sha256(blob));
  if (!transcript) return transcript.error();
  std::vector<Signature> confirmations;
  for (std::size_t i = 0; i < order_.agents.size(); ++i) {
    const auto confirmation = prepare_at(order_.agents[i], blob);
    if (!confirmation) return confirmation.error();
    const Party& party = (*plan_)->parameters->parties[i];
    if (!protocol::verify_confirmation(party.identity_key, *transcript, *confirmation))
      return Error(Code::bad_proof, party.name + " agent confirms something else");
    confirmations.push_back(*confirmation);
  }
  if (order_.new_recovery != nullptr)
    confirmations.push_back(protocol::confirm_handover(*transcript, recovery_identity_));
  auto next = now_.followed_by(protocol::HandoverVersion::encode(*transcript, confirmations));
  if (!next) return std::move(next).error();
  next_.emplace(*std::move(next));
  return Done{};
}

void Handover::abort() {
  if (!plan_) return;
  std::vector<HolderAgent*> holders;
  std::vector<InvitedAgent*> invited;
  for (const NewHolder& agent : asked()) holders.push_back(agent.holder);
  for (const NewHolder& agent : order_.agents)
    if (agent.holder == nullptr) invited.push_back(agent.invited);
  // What stays prepared is settled by whoever runs next.
  if (auto aborted = abort_handover(*plan_, holders, invited); !aborted)
    operator_.warn("the handover could not be taken back everywhere: " + aborted.error().message());
}

}  // namespace coprotect::provisioning
