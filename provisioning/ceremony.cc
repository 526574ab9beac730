#include "provisioning/ceremony.h"

#include <algorithm>
#include <array>

#include "protocol/base/in_groups.h"
#include "protocol/crypto/hash.h"
#include "provisioning/organisation.h"

namespace coprotect::provisioning {
namespace {

using protocol::CeremonyMessage;
using protocol::KeeperMode;
using protocol::Parameters;
using protocol::Party;
using protocol::Round;

constexpr std::uint8_t kThreshold = 2;
constexpr std::uint8_t kShares = 3;
constexpr std::uint8_t kRecoveryIndex = 3;
constexpr std::size_t kTool = 2;  // the tool's position among the parties, after the agents
constexpr std::string_view kToolName = "recovery";

Party party_of(const InvitedAgent& agent, const protocol::HandoverOffer& offer, std::uint8_t index,
               protocol::OrganisationCertificate organisation) {
  const protocol::Invitation& invitation = agent.invitation();
  return {.name = invitation.role,
          .indices = {index},
          .nonce = offer.nonce,
          .identity_key = invitation.identity_certificate.key(),
          .ceremony_key = offer.ceremony_key,
          .mode = offer.mode,
          .url = invitation.url,
          .identity_certificate = invitation.identity_certificate,
          .organisation = std::move(organisation)};
}

}  // namespace

Ceremony::Ceremony(KeyPlan plan, std::span<InvitedAgent> agents, const Operator& person, Random& random)
    : plan_(std::move(plan)),
      agents_(agents),
      operator_(person),
      random_(random),
      recovery_(plan_.recovery_administrator, person, random) {
  invariant(agents.size() == kTool);
}

Status Ceremony::prepare() {
  struct Step {
    std::string_view text;
    Status (Ceremony::*run)();
  };
  constexpr std::array kSteps = {
      Step{"agreeing on the parameters", &Ceremony::open_at_both},
      Step{"every party commits to its part of the key", &Ceremony::commit},
      Step{"every party reveals its commitments", &Ceremony::reveal},
      Step{"every party deals shares, sealed to their holders", &Ceremony::deal},
      Step{"both agents check what they and recovery were dealt, and seal it in their token",
           &Ceremony::let_agents_prepare},
      Step{"sealing the recovery key", &Ceremony::seal_recovery_key},
      Step{"opening the recovery key again", &Ceremony::reopen_recovery_key},
      Step{"both agents store the sealed recovery key", &Ceremony::store_recovery_key},
  };
  for (std::size_t i = 0; i < kSteps.size(); ++i) {
    operator_.progress("[" + std::to_string(i + 1) + "/" + std::to_string(kSteps.size()) + "] " +
                       std::string(kSteps[i].text));
    if (auto done = (this->*kSteps[i].run)(); !done) {
      abort_at_both();
      return done;
    }
  }
  return Done{};
}

Status Ceremony::open_at_both() {
  std::vector<protocol::OrganisationCertificate> organisations;
  for (InvitedAgent& agent : agents_) {
    auto offer =
        agent.open({.tenant = plan_.tenant, .purpose = plan_.purpose, .suite = plan_.suite}, random_);
    if (!offer) return std::move(offer).error();
    if (offer->mode == KeeperMode::not_an_agent)
      return Error(Code::malformed, agent.party() + " agent offers no way to keep a share");
    offers_.push_back(std::move(*offer));
    // The second invitation is the company's: the administrator passed it as such.
    auto organisation =
        organisation_of(agent.invitation(), plan_.tenant, &plan_.ca_key, &agent == &agents_.back());
    if (!organisation) return std::move(organisation).error();
    organisations.push_back(*std::move(organisation));
  }

  Party tool{.name = std::string(kToolName),
             .indices = {kRecoveryIndex},
             .nonce = {},
             .identity_key = recovery_.administrator().public_key(),
             .ceremony_key = recovery_.hpke_key(),
             .mode = KeeperMode::not_an_agent,
             .url = {},
             .identity_certificate = std::nullopt,
             .organisation = certify_recovery(plan_.tenant, plan_.ca_key, recovery_.hpke_key())};
  random_.fill(tool.nonce);
  auto parameters =
      Parameters::make({.suite = plan_.suite,
                        .purpose = plan_.purpose,
                        .t = kThreshold,
                        .n = kShares,
                        .tenant = plan_.tenant,
                        .parties = {party_of(agents_[0], offers_[0], 1, organisations[0]),
                                    party_of(agents_[1], offers_[1], 2, organisations[1]), tool},
                        .client_ca = plan_.client_ca,
                        .recovery_key = recovery_.hpke_key()});
  if (!parameters) return std::move(parameters).error();
  auto dealer = protocol::Dealer::start(std::move(*parameters), kTool, recovery_.administrator(),
                                        recovery_.hpke_private_key(), random_);
  if (!dealer) return std::move(dealer).error();
  dealer_.emplace(std::move(*dealer));
  return Done{};
}

Status Ceremony::commit() {
  auto commits =
      exchange([&](InvitedAgent& agent) { return agent.commit(dealer_->parameters()); }, dealer_->commit());
  if (!commits) return std::move(commits).error();
  commits_ = std::move(*commits);
  return Done{};
}

Status Ceremony::reveal() {
  auto own = dealer_->reveal(commits_);
  if (!own) return std::move(own).error();
  auto reveals =
      exchange([&](InvitedAgent& agent) { return agent.reveal(sid(), commits_); }, std::move(*own));
  if (!reveals) return std::move(reveals).error();
  reveals_ = std::move(*reveals);
  return Done{};
}

Status Ceremony::deal() {
  auto own = dealer_->deal(reveals_);
  if (!own) return std::move(own).error();
  auto deals = exchange([&](InvitedAgent& agent) { return agent.deal(sid(), reveals_); }, std::move(*own));
  if (!deals) return std::move(deals).error();
  deals_ = std::move(*deals);
  return Done{};
}

Status Ceremony::let_agents_prepare() {
  auto outcome = dealer_->receive(deals_);
  if (!outcome) return std::move(outcome).error();
  outcome_.emplace(std::move(*outcome));
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    auto message = agents_[i].prepare(sid(), deals_);
    if (!message) return std::move(message).error();
    auto confirmed = checked_body(*message, Round::confirm, i);
    if (!confirmed) return std::move(confirmed).error();
    if (*confirmed != transcript().confirm_body())
      return Error(Code::bad_proof, agents_[i].party() + " agent confirms another key");
    confirms_.push_back(std::move(*message));
  }
  operator_.progress("      both confirm the key\n" + in_groups(transcript().key_id(), "        "));
  return Done{};
}

Status Ceremony::seal_recovery_key() {
  if (auto sealed = recovery_.seal(transcript().key_id(), plan_.suite); !sealed) return sealed;
  return recovery_.show();
}

Status Ceremony::reopen_recovery_key() {
  return recovery_.reopen();
}

Status Ceremony::store_recovery_key() {
  const Digest blob_hash = protocol::sha256(blob().encoded());
  const protocol::StoreBlobMessage message{
      .sid = sid(),
      .blob = blob().encoded(),
      .tool_message =
          CeremonyMessage::sign(Round::stored, sid(), kTool, Bytes(blob_hash.begin(), blob_hash.end()),
                                recovery_.administrator())
              .encode()};
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    auto answer = agents_[i].store_blob(message);
    if (!answer) return std::move(answer).error();
    auto stored = checked_body(*answer, Round::stored, i);
    if (!stored) return std::move(stored).error();
    if (!std::ranges::equal(*stored, blob_hash))
      return Error(Code::bad_proof, agents_[i].party() + " agent stored another recovery blob");
  }
  return Done{};
}

Result<protocol::Bundle> Ceremony::sign() const {
  std::vector<Bytes> confirms = confirms_;
  confirms.push_back(protocol::confirm(transcript(), kTool, recovery_.administrator()));
  return protocol::Bundle::assemble(transcript(), confirms);
}

void Ceremony::abort_at_both() {
  if (!dealer_) return;
  for (InvitedAgent& agent : agents_) {
    // An agent that this does not reach keeps a PREPARED key that cannot be used. The next run aborts it.
    auto aborted = agent.abort(sid(), random_);
    if (!aborted && aborted.error().code() != Code::not_found) operator_.warn(aborted.error().message());
  }
}

Result<std::vector<Bytes>> Ceremony::exchange(const std::function<Result<Bytes>(InvitedAgent&)>& ask,
                                              Bytes own) {
  std::vector<Bytes> messages;
  for (InvitedAgent& agent : agents_) {
    auto message = ask(agent);
    if (!message) return std::move(message).error();
    messages.push_back(std::move(*message));
  }
  messages.push_back(std::move(own));
  return messages;
}

Result<Bytes> Ceremony::checked_body(const Bytes& message, Round round, std::size_t sender) const {
  auto parsed = CeremonyMessage::parse(message, round, dealer_->parameters());
  if (!parsed) return std::move(parsed).error();
  if (parsed->sender != sender)
    return Error(Code::bad_proof, agents_[sender].party() + " agent answered in another party's name");
  return std::move(parsed->body);
}

}  // namespace coprotect::provisioning
