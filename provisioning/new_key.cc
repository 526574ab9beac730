#include "provisioning/new_key.h"

#include "protocol/message/client_list.h"
#include "provisioning/ca_key_file.h"
#include "provisioning/ceremony.h"
#include "provisioning/client_directory.h"
#include "provisioning/client_lists.h"
#include "provisioning/clock.h"
#include "provisioning/credential.h"
#include "provisioning/password.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

using protocol::CeremonyState;

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
      "generated code cannot be guessed");
  secrets.password = std::move(*password);
  return secrets;
}

// The tenant's client CA and the first two clients.
struct People {
  Credential ca;
  std::string administrator_name;
  Credential administrator;
  Credential recovery;
  protocol::ClientList list;
};

Result<People> make_people(const OnboardOptions& options, std::int64_t now_ms, Random& random) {
  auto ca = new_client_ca(options.tenant, now_ms, random);
  if (!ca) return std::move(ca).error();
  const std::string administrator_uri = "coprotect:" + options.tenant + ":admin:" + options.administrator;
  const std::string recovery_uri = "coprotect:" + options.tenant + ":recovery:recovery";
  auto administrator = new_client({administrator_uri}, now_ms + kMaxClientDays * kDayMs, ca->certificate,
                                  ca->key, now_ms, random);
  if (!administrator) return std::move(administrator).error();
  // Good for as long as the CA: it is used when nobody is left to renew it.
  auto recovery =
      new_client({recovery_uri}, client_ca_end_ms(now_ms), ca->certificate, ca->key, now_ms, random);
  if (!recovery) return std::move(recovery).error();
  protocol::ClientList list{.tenant = options.tenant,
                            .serial = 1,
                            .time_ms = now_ms,
                            .clients = {{administrator->certificate.key_hash(), administrator_uri},
                                        {recovery->certificate.key_hash(), recovery_uri}}};
  return People{std::move(*ca), options.administrator, std::move(*administrator), std::move(*recovery),
                std::move(list)};
}

// Writes all that finishing needs, but the kit.
Status stage(const std::filesystem::path& folder, const People& people, const protocol::KeyId& key_id,
             const Secret& ca_passphrase, Random& random) {
  auto ca_key = seal_ca_key(people.ca.key, people.ca.certificate, ca_passphrase, random);
  if (!ca_key) return std::move(ca_key).error();
  if (auto done = write_durable(folder / "client-ca.pem", bytes_of(people.ca.certificate.pem()), kPublicMode);
      !done)
    return done;
  if (auto done = write_durable(folder / "client-ca.key", *ca_key, kPrivateMode); !done) return done;
  if (auto done = write_durable(folder / kClientListFile, people.list.sign(people.ca.key), kPublicMode);
      !done)
    return done;
  return write_client_files(folder / "admin", {.name = people.administrator_name,
                                               .tenant = people.list.tenant,
                                               .key_id = key_id,
                                               .certificate = people.administrator.certificate,
                                               .key = people.administrator.key});
}

Status check_not_expired(std::span<const InvitedAgent> agents, std::int64_t now_ms) {
  for (const InvitedAgent& agent : agents)
    if (agent.invitation().expires_ms < now_ms)
      return with_hint(Error(Code::denied, "the " + agent.party() + " agent's invitation expired at " +
                                               utc_text(agent.invitation().expires_ms)),
                       "its operator makes a new one with coprotect-provision invite");
  return Done{};
}

}  // namespace

Status make_key(const OnboardOptions& options, OnboardingDirectory& directory, std::span<InvitedAgent> agents,
                const Operator& person, std::int64_t now_ms, Random& random) {
  if (auto valid = check_not_expired(agents, now_ms); !valid) return valid;
  auto secrets = ask_secrets(options, person);
  if (!secrets) return std::move(secrets).error();
  if (auto clear = clear_agents(agents, random); !clear) return clear;
  if (auto begun = directory.begin(); !begun) return begun;

  auto people = make_people(options, now_ms, random);
  if (!people) return std::move(people).error();
  Ceremony ceremony({options.tenant, options.suite, people->ca.certificate, std::move(secrets->password)},
                    agents, person, random);
  if (auto prepared = ceremony.prepare(); !prepared) return prepared;
  if (auto staged =
          stage(directory.staging(), *people, ceremony.transcript().key_id(), secrets->ca_passphrase, random);
      !staged)
    return staged;

  auto bundle = ceremony.sign();
  if (!bundle) return std::move(bundle).error();
  return directory.commit(protocol::RecoveryKit::seal(bundle->encoded(), ceremony.blob(),
                                                      people->recovery.certificate.der(),
                                                      people->recovery.key, ceremony.recovery_key(), random));
}

}  // namespace coprotect::provisioning
