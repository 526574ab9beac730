#include "provisioning/onboard.h"

#include <iostream>

#include "protocol/base/in_groups.h"
#include "provisioning/client_directory.h"
#include "provisioning/clock.h"
#include "provisioning/handover/code_opening.h"
#include "provisioning/invitations.h"
#include "provisioning/new_key.h"
#include "provisioning/onboarding_directory.h"
#include "provisioning/recovery_sheet.h"
#include "provisioning/report.h"
#include "provisioning/signed_lists.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;
using protocol::Bundle;

// Everything after the commit point. May be repeated.
Status finish(OnboardingDirectory& directory, std::span<InvitedAgent> agents, const OpenedKit* code,
              const Operator& person, Random& random) {
  auto kit = directory.kit();
  if (!kit) return std::move(kit).error();
  auto bundle = Bundle::parse(kit->bundle());
  if (!bundle) return std::move(bundle).error();
  if (auto same = check_same_agents(*bundle, agents); !same) return same;
  if (directory.complete()) return directory.install();

  person.progress("activating the key at both agents");
  if (auto active = activate_at_all(agents, *bundle); !active) return active;

  if (auto done = write_client_bundle(directory.find("admin"), bundle->tenant(), bundle->encoded()); !done)
    return done;
  auto administrator = ClientDirectory::load(directory.find("admin") / "config.toml");
  if (!administrator) return std::move(administrator).error();
  auto clients = client::read_small_file(directory.find(std::string(kClientLists.file)), kMaxFile);
  if (!clients) return std::move(clients).error();
  person.progress("giving both agents the list of clients");
  SignedLists lists(kClientLists, *bundle, {administrator->certificate}, administrator->key);
  if (auto given = lists.push(*clients); !given) return given;
  if (auto seen = see_new_code_open(directory, code, *bundle, *administrator, person, random); !seen)
    return seen;

  const fs::path staging = directory.staging();
  if (auto done = write_durable(staging / (bundle->tenant() + ".bundle"), bundle->encoded(), kPublicMode);
      !done)
    return done;
  const std::string sheet = recovery_sheet(*bundle, bundle->tenant() + ".kit", now_ms());
  if (auto done = write_durable(staging / "recovery-sheet.txt", bytes_of(sheet), kPublicMode); !done)
    return done;
  return directory.install();
}

void summarize(const OnboardingDirectory& directory, const Bundle& bundle, const protocol::RecoveryKit& kit) {
  const std::string folder = directory.final().string();
  std::cout << "\nthe key of \"" << bundle.tenant()
            << "\" is active at both agents; both agents' operators see the same key_id\n"
            << in_groups(bundle.key_id(), "    ") << "\n\n"
            << "  print         " << folder << "/recovery-sheet.txt, write the code on it and lock it away\n"
            << "  keep apart    " << folder << '/' << bundle.tenant()
            << ".kit, in several copies: with the code it recovers everything\n";
  if (const auto certificate = protocol::Certificate::parse_der(kit.certificate()))
    std::cout << "                valid until " << utc_text(certificate->not_after_ms())
              << "; coprotect-provision drill --renew-kit renews it\n";
  std::cout << "  for clients   " << folder << '/' << bundle.tenant() << ".bundle, which is public\n"
            << "  next          coprotect-provision add-client NAME --dir " << folder << " --out FOLDER\n";
}

}  // namespace

Status onboard(const OnboardOptions& options, const Operator& person, std::int64_t now_ms, Random& random) {
  if (!protocol::valid_tenant(options.tenant))
    return Error(Code::malformed,
                 "\"" + options.tenant + "\" is not a tenant's name: a-z, 0-9 and hyphens, at most 64");
  if (!protocol::valid_subject_name(options.administrator))
    return Error(Code::malformed, "\"" + options.administrator + "\" is not a client's name");
  auto agents = read_invitations(options.cloud_invitation, options.company_invitation);
  if (!agents) return std::move(agents).error();
  if (!options.same_host) warn_if_agents_host(*agents, person);

  auto directory = OnboardingDirectory::open(options.out, options.tenant);
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
    auto made = make_key(options, *directory, *agents, person, now_ms, random);
    if (!made) return std::move(made).error();
    code = *std::move(made);
  }
  if (auto finished = finish(*directory, *agents, code ? &*code : nullptr, person, random); !finished)
    return finished;
  auto kit = directory->kit();
  if (!kit) return std::move(kit).error();
  auto bundle = Bundle::parse(kit->bundle());
  if (!bundle) return std::move(bundle).error();
  summarize(*directory, *bundle, *kit);
  return Done{};
}

}  // namespace coprotect::provisioning
