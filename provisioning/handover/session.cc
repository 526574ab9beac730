#include "provisioning/handover/session.h"

#include <algorithm>
#include <iostream>

#include "protocol/handover/quorums.h"
#include "provisioning/clock.h"
#include "provisioning/invitations.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

// As often as one leftover can hide another.
constexpr int kRounds = 3;

Result<std::optional<protocol::Bundle>> committed_bundle(const KeyFolder& folder) {
  const auto kit = folder.committed();
  if (!kit) return kit.error();
  if (!*kit) return std::optional<protocol::Bundle>();
  auto bundle = protocol::Bundle::parse((*kit)->bundle());
  if (!bundle) return std::move(bundle).error();
  return std::optional(*std::move(bundle));
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
  for (int round = 0; round < kRounds; ++round) {
    auto holders = HolderGroup::look(folder.bundle(), folder.administrator(), random);
    if (!holders) return holders;
    auto committed = committed_bundle(folder);
    if (!committed) return std::move(committed).error();
    Leftover leftover{.committed = *std::move(committed), .invited = invited, .lists = {}};
    if (!invited.empty()) {
      auto lists = holders->lists();
      if (!lists) return std::move(lists).error();
      leftover.lists = *std::move(lists);
    }
    const auto settled = settle(*holders, leftover, person, random);
    if (!settled && lost.empty()) return settled.error();
    // What a lost agent keeps from its end is superseded by what replaces the agent.
    if (!settled) person.warn(settled.error().message());
    if (settled && *settled == Settled::taken_back && leftover.committed) {
      person.warn("the new code that an earlier run showed is void: the handover was taken back meanwhile");
      if (auto discarded = folder.discard(); !discarded) return std::move(discarded).error();
    }
    if (settled && *settled != Settled::nothing_left) continue;
    if (auto renewed = folder.renew(holders->bundle()); !renewed) return std::move(renewed).error();
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
