#include "provisioning/new_key.h"

#include "protocol/message/client_list.h"
#include "provisioning/ca_key_file.h"
#include "provisioning/ceremony.h"
#include "provisioning/client_directory.h"
#include "provisioning/clock.h"
#include "provisioning/credential.h"
#include "provisioning/invitations.h"
#include "provisioning/signed_lists.h"

namespace coprotect::provisioning {
namespace {

Result<Secret> ask_ca_passphrase(const Operator& person) {
  auto passphrase = person.new_ca_passphrase();
  if (!passphrase) return passphrase;
  if (passphrase->size() == 0) return Error(Code::denied, "the passphrase for the client CA key is empty");
  return passphrase;
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
  // Valid for years, because it is used when nobody is left to renew it. Drills renew it.
  auto recovery = new_client({recovery_uri}, recovery_end_ms(ca->certificate, now_ms), ca->certificate,
                             ca->key, now_ms, random);
  if (!recovery) return std::move(recovery).error();
  protocol::ClientList list{.tenant = options.tenant,
                            .serial = 1,
                            .time_ms = now_ms,
                            .clients = {{administrator->certificate.key_hash(), administrator_uri},
                                        {recovery->certificate.key_hash(), recovery_uri}}};
  return People{std::move(*ca), options.administrator, std::move(*administrator), std::move(*recovery),
                std::move(list)};
}

// Writes everything that finishing needs except the kit.
Status stage(const std::filesystem::path& folder, const People& people, const protocol::KeyId& key_id,
             const Secret& ca_passphrase, const protocol::Argon2Cost& ca_cost, Random& random) {
  auto ca_key = seal_ca_key(people.ca.key, people.ca.certificate, ca_passphrase, random, ca_cost);
  if (!ca_key) return std::move(ca_key).error();
  if (auto done = write_durable(folder / "client-ca.pem", bytes_of(people.ca.certificate.pem()), kPublicMode);
      !done)
    return done;
  if (auto done = write_durable(folder / "client-ca.key", *ca_key, kPrivateMode); !done) return done;
  if (auto done = write_durable(folder / kClientLists.file, people.list.sign(people.ca.key), kPublicMode);
      !done)
    return done;
  return write_client_files(folder / "admin", {.name = people.administrator_name,
                                               .tenant = people.list.tenant,
                                               .key_id = key_id,
                                               .certificate = people.administrator.certificate,
                                               .key = people.administrator.key});
}

}  // namespace

Result<OpenedKit> make_key(const OnboardOptions& options, OnboardingDirectory& directory,
                           std::span<InvitedAgent> agents, const Operator& person, std::int64_t now_ms,
                           Random& random) {
  if (auto valid = check_not_expired(agents, now_ms); !valid) return std::move(valid).error();
  auto passphrase = ask_ca_passphrase(person);
  if (!passphrase) return std::move(passphrase).error();
  if (auto clear = clear_agents(agents, random); !clear) return std::move(clear).error();
  if (auto begun = directory.begin(); !begun) return std::move(begun).error();

  auto people = make_people(options, now_ms, random);
  if (!people) return std::move(people).error();
  Ceremony ceremony({.tenant = options.tenant,
                     .purpose = options.purpose,
                     .suite = options.suite,
                     .client_ca = people->ca.certificate,
                     .recovery_administrator = people->recovery.key,
                     .ca_key = people->ca.key},
                    agents, person, random);
  if (auto prepared = ceremony.prepare(); !prepared) return std::move(prepared).error();
  if (auto staged = stage(directory.staging(), *people, ceremony.transcript().key_id(), *passphrase,
                          ca_key_cost(options.ca_memory_mib), random);
      !staged)
    return std::move(staged).error();

  auto bundle = ceremony.sign();
  if (!bundle) return std::move(bundle).error();
  auto kit =
      protocol::RecoveryKit::seal(bundle->encoded(), ceremony.blob(), people->recovery.certificate.der(),
                                  people->recovery.key, &people->ca.key, ceremony.recovery_key(), random);
  if (auto committed = directory.commit(kit); !committed) return std::move(committed).error();
  return OpenedKit::with(std::move(kit), std::move(ceremony).opened());
}

}  // namespace coprotect::provisioning
