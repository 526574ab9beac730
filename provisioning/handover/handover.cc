#include "provisioning/handover/handover.h"

#include <algorithm>
#include <array>
#include <set>
#include <thread>

#include "protocol/handover/statements.h"
#include "provisioning/handover/completion.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

using protocol::Party;
using protocol::Signature;

// How often the agents are asked whether their operators have approved. An offer expires after a minute of
// silence, and every question is logged.
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
    : now_(std::move(now)), order_(std::move(order)), operator_(person), random_(random) {}

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

std::vector<NewHolder> Handover::asked() const {
  const std::vector<std::uint8_t> dealers = choose_dealers();
  std::vector<NewHolder> asked;
  for (const NewHolder& agent : order_.agents)
    if (agent.holder != nullptr) asked.push_back(agent);
  for (const NewHolder& dealer : order_.dealers) {
    const bool known =
        std::ranges::any_of(asked, [&](const NewHolder& agent) { return agent.holder == dealer.holder; });
    const bool deals = std::ranges::any_of(dealer.holder->party().indices, [&](std::uint8_t index) {
      return std::ranges::find(dealers, index) != dealers.end();
    });
    if (deals && !known) asked.push_back(dealer);
  }
  return asked;
}

// A joining agent forgets an offer for which no further call comes.
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

// Each agent shows the plan to its operator and waits. All are asked repeatedly: that keeps their offers
// alive, and an operator may withdraw an approval.
Status Handover::gather_consents() {
  const std::vector<NewHolder> agents = asked();
  // An agent that leaves has made no offer for the plan, but its first step is one.
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

// Checks the public part of one agent's deals. Here the sender is still known.
Status Handover::take_deals(HolderAgent& agent, const protocol::DealRequest& request) {
  const std::string who = agent.name() + " agent";
  const auto encoded = agent.deal(request);
  if (!encoded) return encoded.error();
  std::vector<std::uint8_t> dealt;
  for (const Bytes& bytes : *encoded) {
    auto deal = protocol::Deal::parse(bytes, *plan_);
    if (!deal) return std::move(deal).error().in(who);
    if (auto holds = deal->open.check(*plan_, now_.sharing()); !holds)
      return std::move(holds).error().in(who);
    dealt.push_back(deal->open.index);
    deals_.push_back(*std::move(deal));
  }
  std::ranges::sort(dealt);
  if (dealt != indices_dealt_by(agent))
    return Error(Code::malformed, who + " does not deal exactly the shares that the plan names of it");
  return Done{};
}

std::vector<std::uint8_t> Handover::indices_dealt_by(const HolderAgent& agent) const {
  std::vector<std::uint8_t> indices;
  for (const std::uint8_t index : agent.party().indices)
    if (std::ranges::find((*plan_)->dealers, index) != (*plan_)->dealers.end()) indices.push_back(index);
  return indices;
}

Status Handover::deal() {
  const protocol::DealRequest request{
      .plan = plan_->encoded(), .offers = offers_, .consents = consents_, .recovery_proof = recovery_proof_};
  for (const NewHolder& agent : asked())
    if (auto taken = take_deals(*agent.holder, request); !taken) return taken;
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
  if (auto shown = order_.new_recovery->show(); !shown) return shown;
  if (auto opened = order_.new_recovery->reopen(); !opened) return opened;
  const Signature signature = order_.new_recovery->prove_possession(plan_->sid());
  possession_.assign(signature.begin(), signature.end());
  return Done{};
}

Result<Signature> Handover::prepare_at(const NewHolder& agent) {
  const std::vector<Bytes> deals = encode_all(deals_);
  if (agent.holder != nullptr)
    return agent.holder->prepare({.deals = deals,
                                  .blob = order_.new_recovery != nullptr ? next_blob() : Bytes{},
                                  .possession = possession_});
  return agent.invited->join(plan_->sid(), {.invitation = agent.invited->invitation().id,
                                            .bundle = now_.encoded(),
                                            .plan = plan_->encoded(),
                                            .deals = deals,
                                            .blob = next_blob(),
                                            .possession = possession_,
                                            .mac = {}});
}

// An agent that rejects a deal names its dealer only by index. The deal is sealed to it, so no other party
// can tell which of the two is wrong.
std::string Handover::dealers_by_name() const {
  std::string names;
  for (const std::uint8_t index : (*plan_)->dealers) {
    const Party& dealer = now_.parameters()->parties[now_.parameters().holder_of(index)];
    names += (names.empty() ? "index " : ", index ") + std::to_string(index) + " by " + dealer.name;
  }
  return "dealt were " + names +
         ". Either the dealer that is named dealt what does not hold, or the agent that names it lies. "
         "Nothing was "
         "changed; if it happens again, compare who was named by whom, and replace whoever is in all of it: "
         "coprotect-provision reshare";
}

Status Handover::let_all_prepare() {
  const auto transcript =
      protocol::HandoverTranscript::make(now_.sharing(), now_.newest_hash(), *plan_, public_parts(deals_));
  if (!transcript) return transcript.error();
  std::vector<Signature> confirmations;
  for (std::size_t i = 0; i < order_.agents.size(); ++i) {
    const auto confirmation = prepare_at(order_.agents[i]);
    if (!confirmation && confirmation.error().code() == Code::bad_proof)
      return with_hint(confirmation.error(), dealers_by_name());
    if (!confirmation) return confirmation.error();
    const Party& party = (*plan_)->parameters->parties[i];
    if (!protocol::verify_confirmation(party.identity_key, *transcript, *confirmation))
      return Error(Code::bad_proof, party.name + " agent confirms something else");
    confirmations.push_back(*confirmation);
  }
  if (order_.new_recovery != nullptr)
    confirmations.push_back(protocol::confirm_handover(*transcript, order_.new_recovery->administrator()));
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
  // The next run settles what stays prepared.
  if (auto aborted = abort_handover(*plan_, holders, invited); !aborted)
    operator_.warn("the handover could not be taken back everywhere: " + aborted.error().message());
}

}  // namespace coprotect::provisioning
