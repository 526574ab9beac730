#include "provisioning/handover/session.h"

#include <algorithm>
#include <iostream>

#include "protocol/handover/quorums.h"
#include "provisioning/clock.h"
#include "provisioning/handover/found_lists.h"
#include "provisioning/handover/settle.h"
#include "provisioning/invitations.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

// One round for each leftover that can hide another, one more for acknowledgements that an agent lacks, and
// one more without a distrusted agent.
constexpr int kRounds = 6;

Result<std::optional<protocol::Bundle>> committed_bundle(const KeyFolder& folder) {
  const auto kit = folder.committed();
  if (!kit) return kit.error();
  if (!*kit) return std::optional<protocol::Bundle>();
  auto bundle = protocol::Bundle::parse((*kit)->bundle());
  if (!bundle) return std::move(bundle).error();
  return std::optional(*std::move(bundle));
}

// A committed kit is valid only if the key continued from its bundle. After another handover, or after its
// own was undone, it opens nothing.
Status set_aside_if_void(KeyFolder& folder, const protocol::Bundle& committed, const protocol::Bundle& newest,
                         const Operator& person) {
  if (newest.extends(committed)) return Done{};
  const auto aside = folder.set_aside();
  if (!aside) return aside.error();
  person.warn(
      "the new code that an earlier run showed is void: the agents say that the handover was taken back "
      "meanwhile. Keep its sheet with the kit in \"" +
      aside->string() + "\" until the next new code, lest they lie");
  return Done{};
}

// Stores acknowledgements that an agent shows and the folder lacks: another tool may have run the handover.
Status keep_newest(KeyFolder& folder, const HolderGroup& holders) {
  const auto* const all_said = holders.acknowledgements();
  if (all_said == nullptr) return Done{};
  const auto kept = folder.acknowledgements();
  if (kept && *kept && (*kept)->version == holders.bundle().newest()) return Done{};
  return folder.keep_acknowledgements({.version = holders.bundle().newest(), .acknowledgements = *all_said});
}

}  // namespace

Result<std::vector<InvitedAgent>> read_invitations(const std::vector<fs::path>& files, std::int64_t now_ms) {
  std::vector<InvitedAgent> invited;
  for (const fs::path& file : files) {
    auto agent = read_invitation(file);
    if (!agent) return std::move(agent).error();
    if (invitation_of(invited, agent->party()) != nullptr)
      return Error(Code::conflict, "two invitations of the " + agent->party() + " agent");
    invited.push_back(*std::move(agent));
  }
  if (auto valid = check_not_expired(invited, now_ms); !valid) return std::move(valid).error();
  return invited;
}

InvitedAgent* invitation_of(std::span<InvitedAgent> invited, std::string_view party) {
  const auto found = std::ranges::find_if(invited, [&](const auto& agent) { return agent.party() == party; });
  return found == invited.end() ? nullptr : &*found;
}

Result<HolderGroup> settled_holders(KeyFolder& folder, std::span<InvitedAgent> invited,
                                    const Operator& person, Random& random, std::string_view lost) {
  std::string_view distrusted;
  std::optional<std::uint32_t> completed;
  for (int round = 0; round < kRounds; ++round) {
    auto holders = HolderGroup::look(folder.bundle(), folder.administrator(), random, distrusted);
    if (!holders && !lost.empty() && distrusted.empty()) {
      person.warn(holders.error().message());
      distrusted = lost;
      continue;
    }
    if (!holders) return holders;
    auto committed = committed_bundle(folder);
    if (!committed) return std::move(committed).error();
    const auto kept = folder.acknowledgements();
    if (!kept) return kept.error();
    if (*kept) holders->recall(**kept);
    Leftover leftover{.committed = *std::move(committed),
                      .invited = invited,
                      .lists = {},
                      .completed = completed,
                      .finished = folder.bundle().epoch(),
                      .keep = folder.keeps_acknowledgements()};
    if (!invited.empty()) {
      auto lists = lists_for_joiners(*holders, folder, person);
      if (!lists) return std::move(lists).error();
      leftover.lists = *std::move(lists);
    }
    const auto settled = settle(*holders, leftover, person, random);
    if (!settled && lost.empty()) return settled.error();
    // What a lost agent prevents from completing is superseded by its replacement.
    if (!settled) person.warn(settled.error().message());
    if (settled && *settled != Settled::completed && leftover.committed)
      if (auto aside = set_aside_if_void(folder, *leftover.committed, holders->bundle(), person); !aside)
        return std::move(aside).error();
    if (settled && *settled == Settled::completed) completed = holders->bundle().epoch();
    if (settled && *settled != Settled::nothing_left) continue;
    // What that agent shows does not count either: it may be a version that the others undid.
    if (const auto* const member = holders->find(lost);
        !settled && distrusted.empty() && member && member->status) {
      distrusted = lost;
      continue;
    }
    // What is not settled may still be undone, and the folder could not go back.
    if (settled && holders->confirmed()) {
      if (auto renewed = folder.renew(holders->bundle()); !renewed) return std::move(renewed).error();
      if (auto kept_now = keep_newest(folder, *holders); !kept_now) return std::move(kept_now).error();
      const auto taken_up = folder.take_up(holders->bundle());
      if (!taken_up) return taken_up.error();
      if (*taken_up)
        person.warn(
            "the agents said once that a new code was taken back, and show now that it was not, so one of "
            "them lied: its code and its sheet are the right ones, and new-code puts its kit in its place");
    }
    const auto stale = folder.has_kit_of_another_code();
    if (!stale) return stale.error();
    if (*stale && !leftover.committed)
      person.warn(
          "the kit in this folder is of another code than the agents hold the recovery share under: keep the "
          "newest "
          "kit, or make one with new-code");
    if (auto all = holders->all_reachable(lost); !all) return std::move(all).error();
    return holders;
  }
  return Error(Code::conflict, "somebody else changes the holders of this key at the same time");
}

void print_holders(const protocol::Bundle& bundle) {
  std::cout << "key " << to_hex(bundle.key_id()) << ", epoch " << bundle.epoch() << ": any "
            << int{bundle.parameters()->t} << " of\n";
  for (const protocol::Party& party : bundle.parameters()->parties) {
    std::cout << "  " << party.name << " (index";
    for (const std::uint8_t index : party.indices) std::cout << ' ' << int{index};
    std::cout << ')';
    if (party.is_agent())
      std::cout << "  " << party.url << "  identity " << to_hex(ByteView(party.identity_key.bytes()).first(8))
                << "…";
    std::cout << '\n';
  }
}

void print_plan(const protocol::Bundle& now, const protocol::Parameters& next) {
  std::cout << protocol::describe_change(now.sharing(), next)
            << "the public key and all files stay as they are. Nothing was changed (--plan)\n";
}

}  // namespace coprotect::provisioning
