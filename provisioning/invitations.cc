#include "provisioning/invitations.h"

#include "provisioning/clock.h"
#include "provisioning/durable.h"
#include "provisioning/report.h"
#include "provisioning/url.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::CeremonyState;

}  // namespace

Result<InvitedAgent> read_invitation(const fs::path& file) {
  auto line = client::read_secret_file(file, kMaxSecretFile);
  if (!line) return std::move(line).error();
  auto invitation = protocol::Invitation::parse(line->reveal());
  if (!invitation) return std::move(invitation).error().in("\"" + file.string() + "\"");
  return InvitedAgent(std::move(*invitation));
}

Result<std::vector<InvitedAgent>> read_invitations(const fs::path& cloud, const fs::path& company) {
  std::vector<InvitedAgent> agents;
  for (const auto& [file, role] : {std::pair(cloud, "cloud"), std::pair(company, "company")}) {
    auto agent = read_invitation(file);
    if (!agent) return std::move(agent).error();
    if (agent->party() != role)
      return Error(Code::conflict, "\"" + file.string() + "\" is an invitation of the " + agent->party() +
                                       " agent, not of the " + std::string(role) + " agent");
    agents.push_back(std::move(*agent));
  }
  return agents;
}

void warn_if_agents_host(std::span<const InvitedAgent> agents, const Operator& person) {
  for (const InvitedAgent& agent : agents) {
    const auto url = Url::parse(agent.invitation().url);
    if (url && is_this_host(*url))
      person.warn("the " + agent.party() +
                  " agent runs on this host: whoever controls it sees two shares during the onboarding; run "
                  "this tool on a machine "
                  "of its own, or say --same-host");
  }
}

Status check_not_expired(std::span<const InvitedAgent> agents, std::int64_t now_ms) {
  for (const InvitedAgent& agent : agents)
    if (agent.invitation().expires_ms < now_ms)
      return with_hint(Error(Code::denied, "the " + agent.party() + " agent's invitation expired at " +
                                               utc_text(agent.invitation().expires_ms)),
                       "its operator makes a new one with coprotect-provision invite");
  return Done{};
}

Status check_same_agents(const protocol::Bundle& bundle, std::span<const InvitedAgent> agents) {
  for (const InvitedAgent& agent : agents)
    if (!bundle.parameters().position_of(agent.invitation().identity_certificate.key()))
      return Error(Code::conflict,
                   "the folder is of a key that was made with another " + agent.party() + " agent");
  return Done{};
}

Status clear_agents(std::span<InvitedAgent> agents, Random& random) {
  std::vector<protocol::StatusMessage> states;
  for (InvitedAgent& agent : agents) {
    auto status = agent.status(random);
    if (!status) return std::move(status).error();
    states.push_back(std::move(*status));
  }
  for (std::size_t active = 0; active < agents.size(); ++active) {
    if (states[active].state != CeremonyState::active) continue;
    // A run into another folder made it. The key is completed, but only that folder can enrol clients.
    for (InvitedAgent& agent : agents)
      if (auto done = agent.activate(states[active].sid, states[active].bundle); !done) return done;
    return with_hint(
        Error(Code::conflict, "these invitations were used already, the key is active at both agents"),
        "run the command again with the folder of that run");
  }
  Failures failures;
  for (std::size_t i = 0; i < agents.size(); ++i)
    if (states[i].state != CeremonyState::none)
      if (auto aborted = agents[i].abort(states[i].sid, random); !aborted) failures.add(aborted.error());
  return failures.status();
}

Status activate_at_all(std::span<InvitedAgent> agents, const protocol::Bundle& bundle) {
  for (InvitedAgent& agent : agents) {
    auto active = agent.activate(bundle.parameters().sid(), bundle.encoded());
    if (!active && (active.error().code() == Code::not_found || active.error().code() == Code::conflict))
      return with_hint(std::move(active).error(),
                       "if the agent gave this key up for another onboarding, nothing was ever encrypted "
                       "with it: move the folder away and onboard anew");
    if (!active) return active;
  }
  return Done{};
}

}  // namespace coprotect::provisioning
