#include "provisioning/handover/restore.h"

#include <algorithm>
#include <iostream>
#include <thread>

#include "protocol/message/client_list.h"
#include "provisioning/ca_key_file.h"
#include "provisioning/clock.h"
#include "provisioning/credential.h"
#include "provisioning/handover/draft.h"
#include "provisioning/handover/opened_kit.h"
#include "provisioning/invitations.h"
#include "provisioning/onboarding_directory.h"
#include "provisioning/recovery_sheet.h"
#include "provisioning/report.h"
#include "provisioning/signed_lists.h"

namespace coprotect::provisioning {
namespace {

using protocol::Bundle;

// Announces it everywhere. Code::limited, with the time, while somebody still waits for objections.
Status announce(HolderGroup& holders, const InvitedAgent& lost, const protocol::Parameters& next, bool wait,
                const Operator& person) {
  const auto announcement = protocol::Announcement::of(next);
  std::int64_t not_before_ms = 0;
  for (HolderAgent* const agent : holders.reachable()) {
    if (agent->name() == lost.party()) continue;
    const auto notice = agent->announce(announcement);
    if (!notice) return notice.error();
    person.progress("announced at the " + agent->name() + " agent: it may begin at " +
                    utc_text(notice->not_before_ms));
    // An agent counts for how long it ran, whatever its clock says.
    not_before_ms = std::max({not_before_ms, notice->not_before_ms, now_ms() + notice->running_left_ms});
  }
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

// What the company's folder holds beside key and kit.
struct People {
  protocol::Certificate ca;
  protocol::SigningKey ca_key;
  Credential administrator;
  std::string administrator_name;
};

Result<People> make_people(const RestoreOptions& options, const OpenedKit& kit, std::int64_t now_ms,
                           Random& random) {
  auto ca_key = kit.kit.open_client_ca(kit.blob.recovery_key);
  if (!ca_key) return std::move(ca_key).error();
  const protocol::Certificate& ca = kit.bundle.parameters()->client_ca;
  auto administrator = new_client({"coprotect:" + kit.bundle.tenant() + ":admin:" + options.administrator},
                                  now_ms + kMaxClientDays * kDayMs, ca, *ca_key, now_ms, random);
  if (!administrator) return std::move(administrator).error();
  return People{ca, *std::move(ca_key), *std::move(administrator), options.administrator};
}

// The newest list with the new administrator in place of who had that name.
Result<Bytes> renewed_list(HolderGroup& holders, const People& people, std::int64_t now_ms) {
  const auto newest = holders.newest_list(kClientLists);
  if (!newest) return newest.error();
  auto parsed = protocol::ClientList::parse(*newest, people.ca);
  if (!parsed) return std::move(parsed).error();
  protocol::ClientList& list = *parsed;
  const std::string uri = "coprotect:" + list.tenant + ":admin:" + people.administrator_name;
  std::erase_if(list.clients, [&](const auto& client) { return client.second == uri; });
  list.clients.emplace(people.administrator.certificate.key_hash(), uri);
  ++list.serial;
  list.time_ms = now_ms;
  return list.sign(people.ca_key);
}

// Writes all that finishing needs, but the kit.
Status stage(const std::filesystem::path& folder, const People& people, const Bundle& next, ByteView list,
             const Secret& passphrase, const protocol::Argon2Cost& ca_cost, std::int64_t now_ms,
             Random& random) {
  const std::string& tenant = next.tenant();
  auto ca_key = seal_ca_key(people.ca_key, people.ca, passphrase, random, ca_cost);
  if (!ca_key) return std::move(ca_key).error();
  const std::string sheet = recovery_sheet(next, tenant + ".kit", now_ms);
  if (auto done = write_durable(folder / "client-ca.pem", bytes_of(people.ca.pem()), kPublicMode); !done)
    return done;
  if (auto done = write_durable(folder / "client-ca.key", *ca_key, kPrivateMode); !done) return done;
  if (auto done = write_durable(folder / kClientLists.file, list, kPublicMode); !done) return done;
  if (auto done = write_durable(folder / (tenant + ".bundle"), next.encoded(), kPublicMode); !done)
    return done;
  if (auto done = write_durable(folder / "recovery-sheet.txt", bytes_of(sheet), kPublicMode); !done)
    return done;
  const ClientFiles files{.name = people.administrator_name,
                          .tenant = tenant,
                          .key_id = next.key_id(),
                          .certificate = people.administrator.certificate,
                          .key = people.administrator.key};
  if (auto done = write_client_files(folder / "admin", files); !done) return done;
  return write_client_bundle(folder / "admin", tenant, next.encoded());
}

// The new agent in the lost one's place. The order refers to `ca_key`.
HandoverOrder restored_order(const OpenedKit& kit, const protocol::SigningKey& ca_key, HolderGroup& holders,
                             InvitedAgent& invited) {
  const Bundle& now = holders.bundle();
  HandoverOrder order{.t = now.parameters()->t,
                      .agents = {},
                      .dealers = {},
                      .recovery_dealer = std::nullopt,
                      .blob = kit.kit.blob().encoded(),
                      .ca_key = &ca_key};
  // Who takes the place of the company's own agent is the company's own.
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

// The handover that puts the new agent in the lost one's place, up to where all have confirmed it.
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
  auto share = kit.share_of(now, *order.dealers.front().holder);
  if (!share) return std::move(share).error();
  order.recovery_dealer.emplace(*std::move(share));
  Handover handover(now, std::move(order), person, random);
  if (auto prepared = handover.prepare(); !prepared) return std::move(prepared).error();
  return handover.next();
}

// Everything before the commit point, and the commit.
Status make(const RestoreOptions& options, const OpenedKit& kit, HolderGroup& holders,
            std::span<InvitedAgent> invited, OnboardingDirectory& directory, const Operator& person,
            std::int64_t now_ms, Random& random) {
  auto passphrase = person.new_ca_passphrase();
  if (!passphrase) return std::move(passphrase).error();
  auto people = make_people(options, kit, now_ms, random);
  if (!people) return std::move(people).error();
  const auto list = renewed_list(holders, *people, now_ms);
  if (!list) return list.error();
  if (auto begun = directory.begin(); !begun) return begun;
  const bool restored = holders.bundle()
                            .parameters()
                            .position_of(invited.front().invitation().identity_certificate.key())
                            .has_value();
  auto next = restored ? Result<Bundle>(holders.bundle())
                       : hand_over(kit, people->ca_key, holders, invited.front(), person, random);
  if (!next) return std::move(next).error();
  if (auto staged = stage(directory.staging(), *people, *next, *list, *passphrase,
                          ca_key_cost(options.ca_memory_mib), now_ms, random);
      !staged)
    return staged;
  return directory.commit(kit.kit.with_bundle(next->encoded()));
}

// Everything after the commit point. May be repeated.
Result<Bundle> finish(OnboardingDirectory& directory, const OpenedKit& kit, std::span<InvitedAgent> invited,
                      const Operator& person, Random& random) {
  const auto committed = directory.kit();
  if (!committed) return committed.error();
  auto bundle = Bundle::parse(committed->bundle());
  if (!bundle) return bundle;
  if (directory.complete()) {
    if (auto installed = directory.install(); !installed) return std::move(installed).error();
    return bundle;
  }
  const auto list = client::read_small_file(directory.find(std::string(kClientLists.file)), kMaxFile);
  if (!list) return list.error();
  auto holders = HolderGroup::look(kit.bundle, kit.administrator, random);
  if (!holders) return std::move(holders).error();
  auto lists = holders->lists();
  if (!lists) return std::move(lists).error();
  lists->clients = *list;
  const Leftover leftover{.committed = *bundle, .invited = invited, .lists = *std::move(lists)};
  const auto settled = settle(*holders, leftover, person, random);
  if (!settled) return settled.error();
  if (*settled == Settled::taken_back)
    return with_hint(Error(Code::conflict, "the handover was taken back meanwhile"),
                     "move \"" + directory.final().string() + "\" away and run the command again");
  SignedLists clients(kClientLists, *bundle, {kit.administrator.certificate}, kit.administrator.key);
  if (auto given = clients.push(*list); !given && given.error().code() != Code::conflict)
    return std::move(given).error();
  if (auto installed = directory.install(); !installed) return std::move(installed).error();
  return bundle;
}

}  // namespace

Status restore(const RestoreOptions& options, const Operator& person, std::int64_t now_ms, Random& random) {
  auto kit = OpenedKit::open(options.kit, person);
  if (!kit) return std::move(kit).error();
  auto invited = read_invitations({options.invitation}, now_ms);
  if (!invited) return std::move(invited).error();
  auto directory = OnboardingDirectory::open(options.out, kit->bundle.tenant());
  if (!directory) return std::move(directory).error();
  if (!directory->committed()) {
    auto holders = HolderGroup::look(kit->bundle, kit->administrator, random);
    if (!holders) return std::move(holders).error();
    if (holders->find(invited->front().party()) == nullptr)
      return Error(Code::denied, "no party \"" + invited->front().party() + "\" holds a share of this key");
    const auto ca_key = kit->kit.open_client_ca(kit->blob.recovery_key);
    if (!ca_key) return ca_key.error();
    const HandoverOrder order = restored_order(*kit, *ca_key, *holders, invited->front());
    const auto next = draft(holders->bundle(), order, random);
    if (!next) return next.error();
    if (options.plan_only) {
      print_plan(holders->bundle(), *next);
      return Done{};
    }
    if (auto allowed = check_quorums(holders->bundle(), *next, options.allow_quorum); !allowed)
      return allowed;
    if (auto announced = announce(*holders, invited->front(), *next, options.wait, person); !announced)
      return announced;
    if (auto clear = take_back_prepared(*holders, *invited, person, random); !clear) return clear;
    if (auto done = make(options, *kit, *holders, *invited, *directory, person, now_ms, random); !done)
      return done;
  }
  const auto bundle = finish(*directory, *kit, *invited, person, random);
  if (!bundle) return bundle.error();
  std::cout << "\nthe company is restored; ";
  print_holders(*bundle);
  const std::string folder = options.out.string();
  std::cout
      << "  the folder    " << folder << " is what onboard left: bundle, client CA, administrator\n"
      << "  recovery      code and kit stay the same, and opened just now; coprotect-provision new-code "
         "makes "
         "new ones, as you should if others may have seen the code\n"
      << "  clients       those whose keys are lost: coprotect-provision add-client NAME --replace --dir "
      << folder << " --out FOLDER\n";
  return Done{};
}

}  // namespace coprotect::provisioning
