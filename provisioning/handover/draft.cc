#include "provisioning/handover/draft.h"

#include <algorithm>

#include "protocol/handover/quorums.h"
#include "provisioning/organisation.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

using protocol::HpkePrivateKey;
using protocol::Parameters;
using protocol::Party;

Result<Party> agent_party(const protocol::Bundle& now, const HandoverOrder& order, const NewHolder& agent,
                          std::uint8_t index, Random& random) {
  const auto ceremony_key = HpkePrivateKey::generate(random).public_key();
  if (agent.holder != nullptr) {
    Party party = agent.holder->party();
    party.indices = {index};
    party.ceremony_key = ceremony_key;
    return party;
  }
  const protocol::Invitation& invitation = agent.invited->invitation();
  auto organisation = organisation_of(invitation, now.tenant(), order.ca_key, order.is_ours(*agent.invited));
  if (!organisation) return std::move(organisation).error();
  return Party{.name = invitation.role,
               .indices = {index},
               .nonce = {},
               .identity_key = invitation.identity_certificate.key(),
               .ceremony_key = ceremony_key,
               .mode = protocol::KeeperMode::sealed,
               .url = invitation.url,
               .identity_certificate = invitation.identity_certificate,
               .organisation = *std::move(organisation)};
}

// The recovery party keeps its organisation, even with a new code: the tool can certify it only for the
// company.
Result<Party> recovery_party(const protocol::Bundle& now, const HandoverOrder& order, std::uint8_t index,
                             const protocol::HpkePublicKey& ceremony_key) {
  const auto& present = now.parameters()->parties;
  const auto known = std::ranges::find_if(present, [](const Party& party) { return !party.is_agent(); });
  if (order.new_recovery == nullptr) {
    if (known == present.end()) return Error(Code::denied, "this key has no recovery share");
    Party party = *known;
    party.indices = {index};
    party.ceremony_key = ceremony_key;
    return party;
  }
  if (order.ca_key == nullptr)
    return Error(Code::denied, "a new recovery code is certified with the client CA: its key is not at hand");
  return Party{.name = "recovery",
               .indices = {index},
               .nonce = {},
               .identity_key = order.new_recovery->administrator().public_key(),
               .ceremony_key = ceremony_key,
               .mode = protocol::KeeperMode::not_an_agent,
               .url = {},
               .identity_certificate = std::nullopt,
               .organisation = certify_recovery(now.tenant(), *order.ca_key, order.new_recovery->hpke_key())};
}

}  // namespace

Result<Parameters> draft(const protocol::Bundle& now, const HandoverOrder& order, Random& random) {
  Parameters::Fields fields = now.parameters().fields();
  fields.parties.clear();
  for (const NewHolder& agent : order.agents) {
    auto party = agent_party(now, order, agent, static_cast<std::uint8_t>(fields.parties.size() + 1), random);
    if (!party) return std::move(party).error();
    fields.parties.push_back(*std::move(party));
  }
  if (order.new_recovery != nullptr) fields.recovery_key = order.new_recovery->hpke_key();
  if (!fields.recovery_key) return Error(Code::denied, "this key has no recovery code");
  fields.t = order.t;
  fields.n = static_cast<std::uint8_t>(fields.parties.size() + 1);
  auto recovery = recovery_party(now, order, fields.n, *fields.recovery_key);
  if (!recovery) return std::move(recovery).error();
  fields.parties.push_back(*std::move(recovery));
  return Parameters::make(std::move(fields));
}

Status check_quorums(const protocol::Bundle& now, const Parameters& next, const std::string& allowed) {
  // A refresh does not change them. In any other case no agent deals if there are too many.
  const auto shares = protocol::PartShares::of(next);
  if (shares != protocol::PartShares::of(now.parameters()))
    if (auto few = protocol::check_quorum_count(shares); !few) return few;
  const std::string sentence = protocol::allowance(now.parameters(), next);
  if (sentence.empty() || sentence == allowed) return Done{};
  return with_hint(
      Error(Code::denied, "this lets organisations use the key that cannot use it today: " + sentence),
      "--plan shows the change in words; if it is meant, say --allow-quorum '" + sentence + "'");
}

}  // namespace coprotect::provisioning
