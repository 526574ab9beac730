#include "provisioning/add_key.h"

#include <iostream>

#include "protocol/base/in_groups.h"
#include "provisioning/ceremony.h"
#include "provisioning/clock.h"
#include "provisioning/credential.h"
#include "provisioning/further_keys.h"
#include "provisioning/handover/code_opening.h"
#include "provisioning/invitations.h"
#include "provisioning/onboarding_directory.h"
#include "provisioning/recovery_sheet.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;

std::string recovery_uri(const AddKeyOptions& options, const Registry& registry) {
  return "coprotect:" + registry.bundle().tenant() + ":recovery:" + options.name;
}

// Everything up to and including the commit point. Returns the kit, opened with the retyped code.
Result<OpenedKit> make_key(const AddKeyOptions& options, OnboardingDirectory& directory,
                           const Registry& registry, std::span<InvitedAgent> agents, const Operator& person,
                           std::int64_t now_ms, Random& random) {
  const std::string& tenant = registry.bundle().tenant();
  if (auto valid = check_not_expired(agents, now_ms); !valid) return std::move(valid).error();
  if (auto clear = clear_agents(agents, random); !clear) return std::move(clear).error();
  if (auto begun = directory.begin(); !begun) return std::move(begun).error();

  auto recovery = new_client({recovery_uri(options, registry)}, recovery_end_ms(registry.ca(), now_ms),
                             registry.ca(), registry.ca_key(), now_ms, random);
  if (!recovery) return std::move(recovery).error();
  Ceremony ceremony({.tenant = tenant,
                     .purpose = options.purpose,
                     .suite = options.suite,
                     .client_ca = registry.ca(),
                     .recovery_administrator = recovery->key,
                     .ca_key = registry.ca_key()},
                    agents, person, random);
  if (auto prepared = ceremony.prepare(); !prepared) return std::move(prepared).error();
  auto bundle = ceremony.sign();
  if (!bundle) return std::move(bundle).error();
  const bool for_files = options.purpose == protocol::Purpose::envelope;
  auto kit = protocol::RecoveryKit::seal(bundle->encoded(), ceremony.blob(), recovery->certificate.der(),
                                         recovery->key, for_files ? &registry.ca_key() : nullptr,
                                         ceremony.recovery_key(), random);
  if (auto committed = directory.commit(kit); !committed) return std::move(committed).error();
  return OpenedKit::with(std::move(kit), std::move(ceremony).opened());
}

// Everything after the commit point. May be repeated.
Result<Bundle> finish(const AddKeyOptions& options, OnboardingDirectory& directory, Registry& registry,
                      std::span<InvitedAgent> agents, const OpenedKit* code, const Operator& person,
                      std::int64_t now_ms, Random& random) {
  auto kit = directory.kit();
  if (!kit) return std::move(kit).error();
  auto bundle = Bundle::parse(kit->bundle());
  if (!bundle) return bundle;
  if (auto same = check_same_agents(*bundle, agents); !same) return std::move(same).error();
  if (!directory.complete()) {
    person.progress("activating the key at both agents");
    if (auto active = activate_at_all(agents, *bundle); !active) return std::move(active).error();
    person.progress("giving both agents the list of clients");
    if (auto enrolled = registry.enrol_recovery(*kit, now_ms); !enrolled) return std::move(enrolled).error();
    if (auto seen = see_new_code_open(directory, code, *bundle, registry.credentials(), person, random);
        !seen)
      return std::move(seen).error();

    const std::string sheet = recovery_sheet(*bundle, options.name + ".kit", now_ms);
    if (auto done =
            write_durable(directory.staging() / (options.name + ".bundle"), bundle->encoded(), kPublicMode);
        !done)
      return std::move(done).error();
    if (auto done = write_durable(directory.staging() / "recovery-sheet.txt", bytes_of(sheet), kPublicMode);
        !done)
      return std::move(done).error();
  }
  if (auto installed = directory.install(); !installed) return std::move(installed).error();
  return bundle;
}

void summarize(const AddKeyOptions& options, const fs::path& folder, const Bundle& bundle) {
  const bool derives = bundle.parameters()->purpose == protocol::Purpose::derive;
  std::cout << "\nthe key \"" << options.name << "\" of \"" << bundle.tenant()
            << "\" is active at both agents; both agents' operators see the same key_id\n"
            << in_groups(bundle.key_id(), "    ") << "\n\n"
            << "  print         " << folder.string()
            << "/recovery-sheet.txt, write the code on it and lock it away\n"
            << "  keep apart    " << folder.string() << '/' << options.name << ".kit, in several copies\n"
            << "  for clients   " << folder.string() << '/' << options.name
            << ".bundle, beside a config.toml that says\n\n"
            << further_key_entry({options.name, bundle})
            << "\n                clients that add-client makes from now on have it\n";
  if (derives)
    std::cout << "  next          both agents' operators say in agent.toml, under [policy.derive], who may "
                 "derive\n";
}

}  // namespace

Result<Bundle> make_further_key(const AddKeyOptions& options, Registry& registry,
                                std::span<InvitedAgent> agents, const Operator& person, std::int64_t now_ms,
                                Random& random) {
  if (auto valid = check_further_name(options.name, registry.bundle().tenant()); !valid)
    return std::move(valid).error();
  // Only these agents know its clients.
  if (auto same = check_same_agents(registry.bundle(), agents); !same) return std::move(same).error();
  const fs::path folder = options.directory / kFurtherKeys / options.name;
  if (auto made = make_private_directory(folder.parent_path()); !made) return std::move(made).error();
  auto directory = OnboardingDirectory::open(folder, options.name);
  if (!directory) return std::move(directory).error();
  std::optional<OpenedKit> code;
  if (directory->committed()) {
    person.progress(
        "an earlier run made the key; finishing what it left. The code that it showed is valid, unless "
        "new-code made "
        "another one since");
    const auto left = directory->kit();
    if (!left) return left.error();
    auto again = open_again(*directory, *left, person);
    if (!again) return std::move(again).error();
    code = *std::move(again);
  } else {
    auto made = make_key(options, *directory, registry, agents, person, now_ms, random);
    if (!made) return std::move(made).error();
    code = *std::move(made);
  }
  return finish(options, *directory, registry, agents, code ? &*code : nullptr, person, now_ms, random);
}

Status add_key(const AddKeyOptions& options, const Operator& person, std::int64_t now_ms, Random& random) {
  auto agents = read_invitations(options.cloud_invitation, options.company_invitation);
  if (!agents) return std::move(agents).error();
  if (!options.same_host) warn_if_agents_host(*agents, person);
  auto registry = Registry::open(options.directory, person, now_ms, random);
  if (!registry) return std::move(registry).error();
  auto bundle = make_further_key(options, *registry, *agents, person, now_ms, random);
  if (!bundle) return std::move(bundle).error();
  summarize(options, options.directory / kFurtherKeys / options.name, *bundle);
  return Done{};
}

}  // namespace coprotect::provisioning
