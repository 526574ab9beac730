#include "provisioning/handover/restore.h"

#include <algorithm>
#include <iostream>
#include <thread>

#include "provisioning/ca_key_file.h"
#include "provisioning/clock.h"
#include "provisioning/credential.h"
#include "provisioning/further_keys.h"
#include "provisioning/handover/code_opening.h"
#include "provisioning/handover/draft.h"
#include "provisioning/handover/key_folder.h"
#include "provisioning/handover/opened_kit.h"
#include "provisioning/handover/settle.h"
#include "provisioning/invitations.h"
#include "provisioning/onboarding_directory.h"
#include "provisioning/recovery_sheet.h"
#include "provisioning/registry.h"
#include "provisioning/report.h"
#include "provisioning/signed_lists.h"

namespace coprotect::provisioning {
namespace {

using protocol::Bundle;

// Announces it everywhere. Code::limited, with the time, while an agent still waits for vetoes.
Status announce(HolderGroup& holders, const InvitedAgent& lost, const protocol::Parameters& next, bool wait,
                const Operator& person) {
  const auto announcement = protocol::Announcement::of(next);
  std::int64_t not_before_ms = 0;
  // An agent that fails does not delay the others.
  Failures failures;
  for (HolderAgent* const agent : holders.reachable()) {
    if (agent->name() == lost.party()) continue;
    const auto notice = agent->announce(announcement);
    if (!notice) {
      failures.add(notice.error());
      continue;
    }
    person.progress("announced at the " + agent->name() + " agent: it may begin at " +
                    utc_text(notice->not_before_ms));
    // An agent counts its running time, whatever its clock says.
    not_before_ms = std::max({not_before_ms, notice->not_before_ms, now_ms() + notice->running_left_ms});
  }
  if (auto all = failures.status(); !all) return all;
  constexpr std::int64_t kSecond = 1000;
  while (wait && now_ms() <= not_before_ms + kSecond)
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  if (now_ms() > not_before_ms) return Done{};
  return with_hint(
      Error(Code::limited, "announced; it may begin at " + utc_text(not_before_ms) +
                               ", unless the company's "
                               "administrator objects"),
      "run the same command again then; meanwhile coprotect decrypt --recover opens what is urgent");
}

// For an error that does not end the command yet.
void warn_with_hint(const Error& error, const Operator& person) {
  const std::string& text = error.message();
  const std::size_t end = text.find('\n');
  person.warn(text.substr(0, end));
  if (end != std::string::npos) person.progress("coprotect-provision: hint: " + text.substr(end + 1));
}

// Where the restored key goes: into a new folder, or among the further keys of a folder that an earlier
// restore made.
struct Target {
  std::string name;                 // of its files
  std::optional<Registry> company;  // for a further key: the folder with the client CA
  OnboardingDirectory directory;
};

// The name that add-key gives to the kit's administrator.
Result<std::string> further_name(const RestoreOptions& options, const OpenedKit& kit) {
  const auto identity = protocol::client_identity(kit.administrator.certificate);
  if (!identity) return Error(identity.error()).in("recovery kit");
  std::string name = options.key.empty() ? identity->uri.substr(identity->uri.rfind(':') + 1) : options.key;
  if (auto valid = check_further_name(name, kit.bundle.tenant()); !valid)
    return with_hint(std::move(valid).error(), "--key says what the key is called in the folder");
  return name;
}

// Code::conflict if the folder already has it, or belongs to another company.
Status check_is_new(const Registry& company, const RestoreOptions& options, const std::string& name,
                    const OpenedKit& kit) {
  const std::string folder = "\"" + options.directory.string() + "\"";
  if (company.bundle().tenant() != kit.bundle.tenant() ||
      company.ca().der() != kit.bundle.parameters()->client_ca.der())
    return Error(Code::conflict, folder + " is of another company than the kit");
  const auto keys = all_keys(options.directory, company.bundle());
  if (!keys) return keys.error();
  for (const FurtherKey& key : *keys)
    if (key.bundle.key_id() == kit.bundle.key_id() && key.name != name)
      return Error(Code::conflict, folder + " has the kit's key already, as \"" + key.name + "\"");
  return Done{};
}

Result<Target> open_target(const RestoreOptions& options, const OpenedKit& kit, const Operator& person,
                           std::int64_t now_ms, Random& random) {
  if (options.directory.empty()) {
    auto directory = OnboardingDirectory::open(options.out, kit.bundle.tenant());
    if (!directory) return std::move(directory).error();
    return Target{kit.bundle.tenant(), std::nullopt, *std::move(directory)};
  }
  auto name = further_name(options, kit);
  if (!name) return std::move(name).error();
  auto company = Registry::open(options.directory, person, now_ms, random);
  if (!company) return std::move(company).error();
  if (auto fits = check_is_new(*company, options, *name, kit); !fits) return std::move(fits).error();
  const std::filesystem::path keys = options.directory / kFurtherKeys;
  if (auto made = make_private_directory(keys); !made) return std::move(made).error();
  auto directory = OnboardingDirectory::open(keys / *name, *name);
  if (!directory) return std::move(directory).error();
  return Target{*std::move(name), std::optional(*std::move(company)), *std::move(directory)};
}

// A finished or committed folder must not be used for another key.
Status check_same_key(const OnboardingDirectory& directory, const OpenedKit& kit) {
  if (!directory.committed()) return Done{};
  const auto present = directory.kit();
  if (!present) return present.error();
  const auto bundle = Bundle::parse(present->bundle());
  if (!bundle) return Error(bundle.error()).in("\"" + directory.final().string() + "\"");
  if (bundle->key_id() == kit.bundle.key_id()) return Done{};
  return with_hint(
      Error(Code::conflict, "\"" + directory.final().string() + "\" holds key " + to_hex(bundle->key_id()) +
                                ", and the kit is of key " + to_hex(kit.bundle.key_id())),
      "--dir in the place of --out restores a further key into the folder of the first");
}

// A folder whose bundle gives the invited agent no share is of another handover.
Status check_holds(const OnboardingDirectory& directory, const Bundle& bundle, const InvitedAgent& invited) {
  if (bundle.parameters().position_of(invited.invitation().identity_certificate.key())) return Done{};
  return with_hint(Error(Code::conflict, "\"" + directory.final().string() +
                                             "\" holds the key as it is without the agent that is invited: "
                                             "nothing was restored"),
                   "move it away and run the command again");
}

// What the company's folder contains besides key and kit.
struct People {
  const protocol::Certificate& ca;
  const protocol::SigningKey& ca_key;
  Credential administrator;
  std::string administrator_name;
};

Result<People> make_people(const RestoreOptions& options, const OpenedKit& kit,
                           const protocol::SigningKey& ca_key, std::int64_t now_ms, Random& random) {
  const protocol::Certificate& ca = kit.bundle.parameters()->client_ca;
  auto administrator = new_client({"coprotect:" + kit.bundle.tenant() + ":admin:" + options.administrator},
                                  now_ms + kMaxClientDays * kDayMs, ca, ca_key, now_ms, random);
  if (!administrator) return std::move(administrator).error();
  return People{ca, ca_key, *std::move(administrator), options.administrator};
}

// Writes everything that belongs to the key except the kit.
Status stage_key(const std::filesystem::path& folder, const std::string& name, const Bundle& next,
                 std::int64_t now_ms) {
  const std::string sheet = recovery_sheet(next, name + ".kit", now_ms);
  if (auto done = write_durable(folder / (name + ".bundle"), next.encoded(), kPublicMode); !done) return done;
  return write_durable(folder / "recovery-sheet.txt", bytes_of(sheet), kPublicMode);
}

// Writes what belongs to the company.
Status stage_company(const std::filesystem::path& folder, const People& people, const Bundle& next,
                     const FoundLists& lists, const RestoreOptions& options, const OpenedKit& kit,
                     const Secret& passphrase, std::int64_t now_ms, Random& random) {
  const auto clients =
      lists.renewed(options.lists, people.administrator.certificate, kit.administrator.certificate, now_ms);
  if (!clients) return clients.error();
  auto ca_key = seal_ca_key(people.ca_key, people.ca, passphrase, random, ca_key_cost(options.ca_memory_mib));
  if (!ca_key) return std::move(ca_key).error();
  if (auto done = write_durable(folder / "client-ca.pem", bytes_of(people.ca.pem()), kPublicMode); !done)
    return done;
  if (auto done = write_durable(folder / "client-ca.key", *ca_key, kPrivateMode); !done) return done;
  if (auto done = write_durable(folder / kClientLists.file, clients->sign(people.ca_key), kPublicMode); !done)
    return done;
  if (!lists.keys().empty())
    if (auto done = write_durable(folder / kKeyLists.file, lists.keys(), kPublicMode); !done) return done;
  const ClientFiles files{.name = people.administrator_name,
                          .tenant = next.tenant(),
                          .key_id = next.key_id(),
                          .certificate = people.administrator.certificate,
                          .key = people.administrator.key};
  if (auto done = write_client_files(folder / "admin", files); !done) return done;
  return write_client_bundle(folder / "admin", next.tenant(), next.encoded());
}

// Replaces the lost agent with the new one. The order refers to `ca_key`.
HandoverOrder restored_order(const OpenedKit& kit, const protocol::SigningKey& ca_key, HolderGroup& holders,
                             InvitedAgent& invited) {
  const Bundle& now = holders.bundle();
  HandoverOrder order{.t = now.parameters()->t,
                      .agents = {},
                      .dealers = {},
                      .recovery_dealer = std::nullopt,
                      .blob = kit.kit.blob().encoded(),
                      .ca_key = &ca_key};
  // The successor of the company's own agent is the company's own.
  const HolderGroup::Member* const lost = holders.find(invited.party());
  if (lost != nullptr &&
      lost->agent->party().organisation.organisation_key() == now.parameters()->client_ca.key().bytes())
    order.our_agents.push_back(invited.party());
  for (const protocol::Party& party : now.parameters()->parties) {
    if (!party.is_agent()) continue;
    if (party.name == invited.party())
      order.agents.push_back({.holder = nullptr, .invited = &invited});
    else
      order.agents.push_back({.holder = holders.find(party.name)->agent.get(), .invited = nullptr});
  }
  return order;
}

// The handover that replaces the lost agent with the new one, up to all parties' confirmations.
Result<Bundle> hand_over(const OpenedKit& kit, const protocol::SigningKey& ca_key, HolderGroup& holders,
                         InvitedAgent& invited, const Operator& person, Random& random) {
  const Bundle& now = holders.bundle();
  HandoverOrder order = restored_order(kit, ca_key, holders, invited);
  for (HolderAgent* const agent : holders.reachable())
    if (agent->name() != invited.party()) order.dealers.push_back({.holder = agent, .invited = nullptr});
  if (order.dealers.empty()) return Error(Code::unavailable, "no other agent can be reached");
  for (const HolderGroup::Member& member : holders.members())
    if (member.holds_now && member.agent->name() != invited.party() && !member.status)
      return member.status.error();
  auto share = kit.share_from(now, order.dealers);
  if (!share) return std::move(share).error();
  order.recovery_dealer.emplace(*std::move(share));
  Handover handover(now, std::move(order), person, random);
  if (auto prepared = handover.prepare(); !prepared) return std::move(prepared).error();
  return handover.next();
}

// Everything up to and including the commit. `lists` is null for a further key.
Status make(const RestoreOptions& options, const OpenedKit& kit, const protocol::SigningKey& ca_key,
            const FoundLists* lists, HolderGroup& holders, std::span<InvitedAgent> invited, Target& target,
            const Operator& person, std::int64_t now_ms, Random& random) {
  std::optional<Secret> passphrase;
  if (lists != nullptr) {
    auto typed = person.new_ca_passphrase();
    if (!typed) return std::move(typed).error();
    passphrase.emplace(*std::move(typed));
  }
  if (auto begun = target.directory.begin(); !begun) return begun;
  const bool restored = holders.bundle()
                            .parameters()
                            .position_of(invited.front().invitation().identity_certificate.key())
                            .has_value();
  // After a completed restore all holders answer. Otherwise the invitation may be that of a remaining agent.
  if (restored)
    if (auto answer = holders.all_reachable(); !answer) return answer;
  auto next = restored ? Result<Bundle>(holders.bundle())
                       : hand_over(kit, ca_key, holders, invited.front(), person, random);
  if (!next) return std::move(next).error();
  const std::filesystem::path staging = target.directory.staging();
  if (auto staged = stage_key(staging, target.name, *next, now_ms); !staged) return staged;
  if (lists == nullptr) return target.directory.commit(kit.kit.with_bundle(next->encoded()));
  auto people = make_people(options, kit, ca_key, now_ms, random);
  if (!people) return std::move(people).error();
  if (auto staged = stage_company(staging, *people, *next, *lists, options, kit, *passphrase, now_ms, random);
      !staged)
    return staged;
  // From here on this is the kit of the folder's first key: it alone recovers from the next loss.
  return target.directory.commit(protocol::RecoveryKit::seal(next->encoded(), kit.kit.blob(),
                                                             kit.kit.certificate(), kit.administrator.key,
                                                             &ca_key, kit.blob.recovery_key, random));
}

// Everything after the commit point until the code is seen to open the new epoch's parts. May be repeated.
// Returns the key's newest bundle.
Result<Bundle> complete(const RestoreOptions& options, Target& target, const OpenedKit& kit,
                        std::span<InvitedAgent> invited, const Operator& person, Random& random) {
  OnboardingDirectory& directory = target.directory;
  const auto committed = directory.kit();
  if (!committed) return committed.error();
  auto bundle = Bundle::parse(committed->bundle());
  if (!bundle) return bundle;
  if (auto held = check_holds(directory, *bundle, invited.front()); !held) return std::move(held).error();
  if (directory.complete()) return bundle;
  const auto in_company = [&](const ListKind& kind) {
    const std::string file(kind.file);
    return target.company ? options.directory / file : directory.find(file);
  };
  const auto list = client::read_small_file(in_company(kClientLists), kMaxFile);
  if (!list) return list.error();
  const auto keys = client::read_small_file(in_company(kKeyLists), kMaxFile);
  if (!keys && keys.error().code() != Code::not_found) return keys.error();
  auto holders = HolderGroup::look(kit.bundle, kit.administrator, random, invited.front().party());
  if (!holders) return std::move(holders).error();
  auto lists = holders->lists();
  if (!lists) return std::move(lists).error();
  lists->clients = *list;
  if (keys && !target.company) lists->keys = *keys;
  const auto keep = [&](const protocol::RetireRequest& acknowledged) {
    return write_durable(directory.staging() / acknowledged_name(target.name), acknowledged.encode(),
                         kPublicMode);
  };
  const Leftover leftover{.committed = *bundle, .invited = invited, .lists = *std::move(lists), .keep = keep};
  const auto settled = settle(*holders, leftover, person, random);
  if (!settled) return settled.error();
  // The key may also have continued without it. Then there is nothing to settle, and the folder is void.
  const bool completed = *settled == Settled::completed && bundle->extends(holders->bundle());
  if (!completed && !holders->bundle().extends(*bundle))
    return with_hint(Error(Code::conflict, "the handover was taken back meanwhile"),
                     "move \"" + directory.final().string() + "\" away and run the command again");
  SignedLists clients(kClientLists, *bundle, {kit.administrator.certificate}, kit.administrator.key);
  if (auto given = clients.push(*list); !given) {
    if (given.error().code() != Code::conflict) return std::move(given).error();
    person.warn("the client list of this restore is not in force everywhere: " + given.error().message() +
                ". If you enrolled nobody since, somebody else has the client CA's key: add-client and "
                "remove-client show what differs, and with --as-in-folder sign this folder's list over it");
  }
  return holders->bundle().extends(*bundle) ? holders->bundle() : *bundle;
}

// So far the code was only opened to deal, with the parts of the epoch before. The next loss depends on
// whether it opens the new ones, so the kit is installed only after that. May be repeated. Returns the agents
// whose parts opened.
Result<std::vector<std::string>> finish(Target& target, const OpenedKit& kit, const Bundle& newest,
                                        const Operator& person, Random& random) {
  std::optional<ClientDirectory> restored;  // the first key's administrator
  if (!target.company) {
    auto loaded = ClientDirectory::load(target.directory.find("admin") / "config.toml");
    if (!loaded) return std::move(loaded).error();
    restored = *std::move(loaded);
  }
  const client::Credentials& administrator = target.company ? target.company->credentials() : *restored;
  auto opened = see_code_open(kit, newest, administrator, person, random);
  if (!opened) return keep_both_kits(std::move(opened).error());
  if (auto installed = target.directory.install(); !installed) return std::move(installed).error();
  return opened;
}

std::string recovery_words(const std::vector<std::string>& opened) {
  if (opened.empty()) return "code and kit stay the same; nobody has seen them open the new shares yet";
  std::string names;
  for (const std::string& name : opened) names += (names.empty() ? "" : ", ") + name;
  return "code and kit stay the same, and just now opened the recovery parts of " + names;
}

}  // namespace

Status restore(const RestoreOptions& options, const Operator& person, std::int64_t now_ms, Random& random) {
  if (options.out.empty() && options.directory.empty())
    return Error(Code::malformed, "restore needs --out, or --dir for a further key");
  auto kit = OpenedKit::open(options.kit, person);
  if (!kit) return std::move(kit).error();
  auto target = open_target(options, *kit, person, now_ms, random);
  if (!target) return std::move(target).error();
  if (auto same = check_same_key(target->directory, *kit); !same) return same;
  auto invited = read_invitations({options.invitation}, now_ms);
  if (!invited) return std::move(invited).error();
  if (!target->directory.committed()) {
    if (kit->bundle.parameters().position_of(invited->front().invitation().identity_certificate.key()))
      return with_hint(
          Error(Code::denied, "the " + invited->front().party() +
                                  " agent of this invitation is not lost: it holds a share of the "
                                  "key already"),
          "--invitation names that of the new agent, which takes the place of the lost one");
    if (target->company && !options.plan_only)
      if (auto known = target->company->enrol_recovery(kit->kit, now_ms); !known) return known;
    std::optional<protocol::SigningKey> from_kit;
    if (!target->company) {
      auto opened = client_ca_key(*kit, options.ca_kit, person);
      if (!opened) return std::move(opened).error();
      from_kit.emplace(*std::move(opened));
    }
    const auto look = [&] {
      return HolderGroup::look(kit->bundle, kit->administrator, random, invited->front().party());
    };
    auto holders = look();
    const std::string lost = invited->front().party();
    if ((!holders || !holders->all_reachable(lost)) && from_kit && !options.plan_only)
      if (const auto known = enrol_recovery(*kit, *from_kit, now_ms, random); known) holders = look();
    if (!holders) return std::move(holders).error();
    if (holders->find(invited->front().party()) == nullptr)
      return Error(Code::denied, "no party \"" + invited->front().party() + "\" holds a share of this key");
    const protocol::SigningKey& ca_key = from_kit ? *from_kit : target->company->ca_key();
    const HandoverOrder order = restored_order(*kit, ca_key, *holders, invited->front());
    const auto next = draft(holders->bundle(), order, random);
    if (!next) return next.error();
    std::optional<FoundLists> lists;
    if (!target->company) {
      auto found = FoundLists::find(*holders, options.kit.parent_path());
      if (!found) return std::move(found).error();
      lists.emplace(*std::move(found));
      lists->show();
    }
    if (options.plan_only) {
      print_plan(holders->bundle(), *next);
      return Done{};
    }
    if (auto allowed = check_quorums(holders->bundle(), *next, options.allow_quorum); !allowed)
      return allowed;
    const Status accepted = lists ? lists->check(options.lists) : Status(Done{});
    // The waiting time runs while people find out which lists are the newest.
    const bool waits = options.wait && accepted;
    if (auto announced = announce(*holders, invited->front(), *next, waits, person); !announced) {
      if (!accepted) warn_with_hint(accepted.error(), person);
      return announced;
    }
    if (!accepted) return accepted;
    // Agents accept a change of holders after a handover that a lost agent keeps from being undone, such as
    // that of a restore whose new agent is lost too.
    if (auto clear = take_back_prepared(*holders, *invited, person, random); !clear)
      person.warn(clear.error().message());
    if (auto done = make(options, *kit, ca_key, lists ? &*lists : nullptr, *holders, *invited, *target,
                         person, now_ms, random);
        !done)
      return done;
  }
  const auto bundle = complete(options, *target, *kit, *invited, person, random);
  if (!bundle) return bundle.error();
  const auto opened = finish(*target, *kit, *bundle, person, random);
  if (!opened) return opened.error();
  std::cout << (target->company ? "\nthe key \"" + target->name + "\" is restored; "
                                : "\nthe company is restored; ");
  print_holders(*bundle);
  const std::string folder = target->directory.final().string();
  std::cout
      << "  the folder    " << folder
      << (target->company ? " is what add-key left: bundle and kit\n"
                          : " is what onboard left: bundle, client CA, administrator\n")
      << "  recovery      " << recovery_words(*opened)
      << "\n                coprotect-provision new-code makes new ones, as you should if others may have "
         "seen the code\n";
  if (target->company)
    std::cout << "  next          coprotect-provision refresh --key " << target->name << " --dir "
              << options.directory.string()
              << "\n                lets clients learn of the key that do not have it yet, this folder's "
                 "administrator, too\n";
  else
    std::cout
        << "  further keys  each with its own kit: coprotect-provision restore --kit KIT --dir " << folder
        << "\n  clients       those whose keys are lost, and those that were not kept: coprotect-provision "
           "add-client NAME --replace --dir "
        << folder << " --out FOLDER\n";
  return Done{};
}

}  // namespace coprotect::provisioning
