#include "provisioning/onboard.h"

#include <iostream>
#include <vector>

#include "provisioning/client_directory.h"
#include "provisioning/client_lists.h"
#include "provisioning/clock.h"
#include "provisioning/in_groups.h"
#include "provisioning/new_key.h"
#include "provisioning/onboarding_directory.h"
#include "provisioning/recovery_sheet.h"
#include "provisioning/report.h"
#include "provisioning/url.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;

Result<InvitedAgent> read_invitation(const fs::path& file, std::string_view role) {
  auto line = client::read_secret_file(file, kMaxSecretFile);
  if (!line) return std::move(line).error();
  auto invitation = protocol::Invitation::parse(line->reveal());
  if (!invitation) return std::move(invitation).error().in("\"" + file.string() + "\"");
  if (invitation->role != role)
    return Error(Code::conflict, "\"" + file.string() + "\" is an invitation of the " + invitation->role +
                                     " agent, not of the " + std::string(role) + " agent");
  return InvitedAgent(std::move(*invitation));
}

// A machine that sees two shares has the key, and this one sees the recovery share.
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

// The agents that the committed key was made with must be the ones that were invited.
Status check_same_agents(const Bundle& bundle, std::span<const InvitedAgent> agents) {
  for (const InvitedAgent& agent : agents)
    if (!bundle.parameters().position_of(agent.invitation().identity_certificate.key()))
      return Error(Code::conflict,
                   "the folder holds a key that was made with another " + agent.party() + " agent");
  return Done{};
}

// Everything after the commit point. May be repeated.
Status finish(OnboardingDirectory& directory, std::span<InvitedAgent> agents, const Operator& person) {
  auto kit = directory.kit();
  if (!kit) return std::move(kit).error();
  auto bundle = Bundle::parse(kit->bundle());
  if (!bundle) return std::move(bundle).error();
  if (auto same = check_same_agents(*bundle, agents); !same) return same;
  if (directory.complete()) return directory.install();

  person.progress("activating the key at both agents");
  for (InvitedAgent& agent : agents) {
    auto active = agent.activate(bundle->parameters().sid(), bundle->encoded());
    if (!active && (active.error().code() == Code::not_found || active.error().code() == Code::conflict))
      return with_hint(std::move(active).error(),
                       "if the agent gave this key up for another onboarding, nothing was ever encrypted "
                       "with it: move the folder away and onboard anew");
    if (!active) return active;
  }

  if (auto done = write_client_bundle(directory.find("admin"), bundle->tenant(), bundle->encoded()); !done)
    return done;
  auto administrator = ClientDirectory::load(directory.find("admin") / "config.toml");
  if (!administrator) return std::move(administrator).error();
  auto clients = client::read_small_file(directory.find(std::string(kClientListFile)), kMaxFile);
  if (!clients) return std::move(clients).error();
  person.progress("giving both agents the list of clients");
  ClientLists lists(*bundle, {administrator->certificate}, administrator->key);
  if (auto given = lists.push(*clients); !given) return given;

  const fs::path staging = directory.staging();
  if (auto done = write_durable(staging / (bundle->tenant() + ".bundle"), bundle->encoded(), kPublicMode);
      !done)
    return done;
  const std::string sheet = recovery_sheet(*bundle, kit->blob().kind(), now_ms());
  if (auto done = write_durable(staging / "recovery-sheet.txt", bytes_of(sheet), kPublicMode); !done)
    return done;
  return directory.install();
}

void summarize(const OnboardingDirectory& directory, const Bundle& bundle) {
  const std::string folder = directory.final().string();
  std::cout << "\nthe key of \"" << bundle.tenant()
            << "\" is active at both agents; both agents' operators see the same key_id\n"
            << in_groups(bundle.key_id(), "    ") << "\n\n"
            << "  print         " << folder << "/recovery-sheet.txt, write the code on it and lock it away\n"
            << "  keep apart    " << folder << '/' << bundle.tenant()
            << ".kit, in several copies: with the code it recovers everything\n"
            << "  for clients   " << folder << '/' << bundle.tenant() << ".bundle, which is public\n"
            << "  next          coprotect-provision add-client NAME --dir " << folder << " --out FOLDER\n";
}

}  // namespace

Status onboard(const OnboardOptions& options, const Operator& person, std::int64_t now_ms, Random& random) {
  if (!protocol::valid_tenant(options.tenant))
    return Error(Code::malformed,
                 "\"" + options.tenant + "\" is not a tenant's name: a-z, 0-9 and hyphens, at most 64");
  if (!protocol::valid_subject_name(options.administrator))
    return Error(Code::malformed, "\"" + options.administrator + "\" is not a client's name");
  auto cloud = read_invitation(options.cloud_invitation, "cloud");
  if (!cloud) return std::move(cloud).error();
  auto company = read_invitation(options.company_invitation, "company");
  if (!company) return std::move(company).error();
  std::vector<InvitedAgent> agents;
  agents.push_back(std::move(*cloud));
  agents.push_back(std::move(*company));
  if (!options.same_host) warn_if_agents_host(agents, person);

  auto directory = OnboardingDirectory::open(options.out, options.tenant);
  if (!directory) return std::move(directory).error();
  if (directory->committed()) {
    person.progress("an earlier run made the key; finishing what it left. The code that it showed is valid");
  } else if (auto made = make_key(options, *directory, agents, person, now_ms, random); !made) {
    return made;
  }
  if (auto finished = finish(*directory, agents, person); !finished) return finished;
  auto kit = directory->kit();
  if (!kit) return std::move(kit).error();
  auto bundle = Bundle::parse(kit->bundle());
  if (!bundle) return std::move(bundle).error();
  summarize(*directory, *bundle);
  return Done{};
}

}  // namespace coprotect::provisioning
