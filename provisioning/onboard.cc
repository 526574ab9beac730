#include "provisioning/onboard.h"

#include <iostream>
#include <vector>

#include "protocol/message/client_list.h"
#include "protocol/x509/issue.h"
#include "provisioning/ca_key_file.h"
#include "provisioning/ceremony.h"
#include "provisioning/client_directory.h"
#include "provisioning/client_lists.h"
#include "provisioning/clock.h"
#include "provisioning/credential.h"
#include "provisioning/in_groups.h"
#include "provisioning/onboarding_directory.h"
#include "provisioning/password.h"
#include "provisioning/recovery_sheet.h"
#include "provisioning/report.h"
#include "provisioning/url.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;
using protocol::CeremonyState;
using protocol::Certificate;
using protocol::CertificateUse;
using protocol::SigningKey;

constexpr std::int64_t kAuthorityLifetimeMs = 30 * 365 * kDayMs;
constexpr std::string_view kRecoveryName = "recovery";

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

Result<Credential> make_authority(const std::string& tenant, std::int64_t now_ms, Random& random) {
  SigningKey key = SigningKey::generate(random);
  auto certificate = issue_certificate({.common_name = "coprotect " + tenant + " clients",
                                        .use = CertificateUse::authority,
                                        .uris = {},
                                        .hosts = {},
                                        .not_before_ms = now_ms - kBackdateMs,
                                        .not_after_ms = now_ms + kAuthorityLifetimeMs},
                                       key.public_key(), nullptr, key, random);
  if (!certificate) return std::move(certificate).error();
  return Credential{std::move(key), std::move(*certificate)};
}

Result<Credential> make_client(const std::string& uri, std::int64_t until_ms, const Credential& authority,
                               std::int64_t now_ms, Random& random) {
  SigningKey key = SigningKey::generate(random);
  auto certificate = issue_certificate({.common_name = uri,
                                        .use = CertificateUse::client,
                                        .uris = {uri},
                                        .hosts = {},
                                        .not_before_ms = now_ms - kBackdateMs,
                                        .not_after_ms = until_ms},
                                       key.public_key(), &authority.certificate, authority.key, random);
  if (!certificate) return std::move(certificate).error();
  return Credential{std::move(key), std::move(*certificate)};
}

// Settles what earlier runs left at the agents, so that a new ceremony can begin.
Status clear_agents(std::span<InvitedAgent> agents, Random& random) {
  std::vector<protocol::StatusMessage> states;
  for (InvitedAgent& agent : agents) {
    auto status = agent.status(random);
    if (!status) return std::move(status).error();
    states.push_back(std::move(*status));
  }
  for (std::size_t active = 0; active < agents.size(); ++active) {
    if (states[active].state != CeremonyState::active) continue;
    // Made by a run into another folder. The key is made whole, but only that folder can enrol clients.
    for (InvitedAgent& agent : agents)
      if (auto done = agent.activate(states[active].sid, states[active].bundle); !done) return done;
    return with_hint(
        Error(Code::conflict, "these invitations were used already, the key is active at both agents"),
        "run the command again with the folder of that run");
  }
  for (std::size_t i = 0; i < agents.size(); ++i)
    if (states[i].state != CeremonyState::none)
      if (auto aborted = agents[i].abort(states[i].sid, random); !aborted) return aborted;
  return Done{};
}

struct Secrets {
  std::optional<Secret> password;
  Secret ca_passphrase;
};

Result<Secrets> ask_secrets(const OnboardOptions& options, const Operator& person) {
  auto passphrase = person.new_ca_passphrase();
  if (!passphrase) return std::move(passphrase).error();
  if (passphrase->size() == 0) return Error(Code::denied, "the passphrase for the client CA key is empty");
  const auto bits = password_bits(*passphrase, options.tenant);
  if (bits && *bits < kPasswordBits)
    person.warn("the passphrase for the client CA key can be guessed by whoever gets the file client-ca.key");
  Secrets secrets{std::nullopt, std::move(*passphrase)};
  if (!options.password) return secrets;
  auto password = person.new_password();
  if (!password) return std::move(password).error();
  if (auto strong = check_password(*password, options.tenant); !strong) return std::move(strong).error();
  person.warn(
      "whoever gets one share and the recovery blob can guess the password for as long as they like; a "
      "generated code "
      "cannot be guessed");
  secrets.password = std::move(*password);
  return secrets;
}

// Everything before the commit point, and the commit.
Status make_key(const OnboardOptions& options, OnboardingDirectory& directory, std::span<InvitedAgent> agents,
                const Operator& person, std::int64_t now_ms, Random& random) {
  for (const InvitedAgent& agent : agents)
    if (agent.invitation().expires_ms < now_ms)
      return with_hint(Error(Code::denied, "the " + agent.party() + " agent's invitation expired at " +
                                               utc_text(agent.invitation().expires_ms)),
                       "ask its operator for a new one");
  auto secrets = ask_secrets(options, person);
  if (!secrets) return std::move(secrets).error();
  if (auto clear = clear_agents(agents, random); !clear) return clear;
  if (auto begun = directory.begin(); !begun) return begun;

  auto authority = make_authority(options.tenant, now_ms, random);
  if (!authority) return std::move(authority).error();
  Ceremony ceremony(
      KeyPlan{options.tenant, options.suite, authority->certificate, std::move(secrets->password)}, agents,
      person, random);
  if (auto prepared = ceremony.prepare(); !prepared) return prepared;

  const std::string prefix = "coprotect:" + options.tenant + ":";
  auto administrator = make_client(prefix + "admin:" + options.administrator,
                                   now_ms + kMaxClientDays * kDayMs, *authority, now_ms, random);
  if (!administrator) return std::move(administrator).error();
  // Good for as long as the key: it is used when nobody is left to renew it.
  auto recovery = make_client(prefix + "recovery:" + std::string(kRecoveryName),
                              now_ms + kAuthorityLifetimeMs, *authority, now_ms, random);
  if (!recovery) return std::move(recovery).error();
  const protocol::ClientList clients{
      .tenant = options.tenant,
      .serial = 1,
      .time_ms = now_ms,
      .clients = {{administrator->certificate.key_hash(), prefix + "admin:" + options.administrator},
                  {recovery->certificate.key_hash(), prefix + "recovery:" + std::string(kRecoveryName)}}};
  auto ca_key = seal_ca_key(authority->key, authority->certificate, secrets->ca_passphrase, random);
  if (!ca_key) return std::move(ca_key).error();

  const fs::path staging = directory.staging();
  if (auto done =
          write_durable(staging / "client-ca.pem", bytes_of(authority->certificate.pem()), kPublicMode);
      !done)
    return done;
  if (auto done = write_durable(staging / "client-ca.key", *ca_key, kPrivateMode); !done) return done;
  if (auto done = write_durable(staging / kClientListFile, clients.sign(authority->key), kPublicMode); !done)
    return done;
  const ClientFiles files{.name = options.administrator,
                          .tenant = options.tenant,
                          .key_id = ceremony.transcript().key_id(),
                          .certificate = administrator->certificate,
                          .key = administrator->key};
  if (auto done = write_client_files(staging / "admin", files); !done) return done;

  auto bundle = ceremony.sign();
  if (!bundle) return std::move(bundle).error();
  return directory.commit(protocol::RecoveryKit::seal(bundle->encoded(), ceremony.blob(),
                                                      recovery->certificate.der(), recovery->key,
                                                      ceremony.recovery_key(), random));
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
                       "with it: move the folder away and "
                       "onboard anew");
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
