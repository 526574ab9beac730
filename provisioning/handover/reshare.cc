#include "provisioning/handover/reshare.h"

#include <algorithm>
#include <iostream>

#include "provisioning/handover/code_opening.h"
#include "provisioning/handover/completion.h"
#include "provisioning/handover/draft.h"
#include "provisioning/handover/found_lists.h"
#include "provisioning/handover/opened_kit.h"
#include "provisioning/registry.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

bool is_of(const InvitedAgent& agent, const protocol::Party& party) {
  return agent.invitation().identity_certificate.key() == party.identity_key;
}

// The successor of a present holder: an invited agent with its name but another identity.
InvitedAgent* successor_of(const protocol::Party& party, std::span<InvitedAgent> invited) {
  InvitedAgent* const agent = invitation_of(invited, party.name);
  return agent == nullptr || is_of(*agent, party) ? nullptr : agent;
}

bool leaves(const protocol::Party& party, const ReshareOptions& options) {
  return std::ranges::find(options.leave, party.name) != options.leave.end();
}

bool held_once(const protocol::Bundle& now, const std::string& name) {
  for (std::size_t versions = now.versions() + 1; versions-- > 0;)
    if (std::ranges::any_of(
            now.with_versions(versions).parameters()->parties,
            [&](const protocol::Party& party) { return party.is_agent() && party.name == name; }))
      return true;
  return false;
}

// Each name of --leave must belong to an agent that holds the key, or did before an earlier run. A mistyped
// name would make no agent leave.
Status check_leaving(const protocol::Bundle& now, const ReshareOptions& options) {
  for (const std::string& name : options.leave)
    if (!held_once(now, name))
      return with_hint(Error(Code::not_found, "no agent \"" + name + "\" holds a share of this key"),
                       "coprotect-provision holders shows those that do");
  return Done{};
}

// A holder that does not stay, and so may be lost. Otherwise a name that no holder has: an earlier run may
// have tried to bring in an agent of that name, which then got lost.
std::string someone_replaced(const protocol::Bundle& now, const ReshareOptions& options,
                             std::span<InvitedAgent> invited) {
  for (const protocol::Party& party : now.parameters()->parties)
    if (party.is_agent() && (leaves(party, options) || successor_of(party, invited) != nullptr))
      return party.name;
  const auto holds = [&](const std::string& name) {
    return std::ranges::find(now.parameters()->parties, name, &protocol::Party::name) !=
           now.parameters()->parties.end();
  };
  for (const std::string& name : options.leave)
    if (!holds(name)) return name;
  for (const InvitedAgent& agent : invited)
    if (!holds(agent.party())) return agent.party();
  return {};
}

// Every invited agent holds a share already, no leaving agent does, and the threshold is right.
bool already_so(const protocol::Bundle& now, const ReshareOptions& options, std::span<InvitedAgent> invited,
                std::uint8_t t) {
  const auto holds = [&](const InvitedAgent& agent) {
    return now.parameters().position_of(agent.invitation().identity_certificate.key()).has_value();
  };
  const auto stays = [&](const protocol::Party& party) {
    return !party.is_agent() || !leaves(party, options);
  };
  return now.parameters()->t == t && std::ranges::all_of(invited, holds) &&
         std::ranges::all_of(now.parameters()->parties, stays);
}

// Chooses the agents that are to hold a share, and the present holders that can deal, staying ones first.
Status choose_agents(const ReshareOptions& options, HolderGroup& holders, std::span<InvitedAgent> invited,
                     HandoverOrder& order) {
  const auto& parties = holders.bundle().parameters()->parties;
  for (const protocol::Party& party : parties) {
    if (!party.is_agent() || leaves(party, options)) continue;
    if (InvitedAgent* const successor = successor_of(party, invited)) {
      order.agents.push_back({.holder = nullptr, .invited = successor});
      continue;
    }
    HolderGroup::Member* const member = holders.find(party.name);
    if (!member->status) return member->status.error();
    order.agents.push_back({.holder = member->agent.get(), .invited = nullptr});
    order.dealers.push_back(order.agents.back());
  }
  for (InvitedAgent& agent : invited)
    if (std::ranges::find(parties, agent.party(), &protocol::Party::name) == parties.end())
      order.agents.push_back({.holder = nullptr, .invited = &agent});
  for (HolderAgent* const agent : holders.reachable())
    if (leaves(agent->party(), options) || successor_of(agent->party(), invited) != nullptr)
      order.dealers.push_back({.holder = agent, .invited = nullptr});
  return Done{};
}

std::size_t shares_of(const std::vector<NewHolder>& dealers) {
  std::size_t shares = 0;
  for (const NewHolder& dealer : dealers) shares += dealer.holder->party().indices.size();
  return shares;
}

// With the kit, a leaving agent does not deal: it could prevent its own replacement by what it answers, or by
// silence. It deals if too few others are left.
void leave_out_who_leaves(const protocol::Bundle& now, HandoverOrder& order) {
  const auto stays = [&](const NewHolder& dealer) {
    return std::ranges::any_of(order.agents,
                               [&](const NewHolder& agent) { return agent.holder == dealer.holder; });
  };
  constexpr std::size_t kRecovery = 1;  // share
  while (!order.dealers.empty() && !stays(order.dealers.back())) {
    const std::size_t left = shares_of(order.dealers) - order.dealers.back().holder->party().indices.size();
    if (left + kRecovery < now.parameters()->t) return;
    order.dealers.pop_back();
  }
}

// `kit` receives the recovery kit, if its code has to be opened.
Result<HandoverOrder> make_order(const ReshareOptions& options, HolderGroup& holders,
                                 std::span<InvitedAgent> invited, std::optional<OpenedKit>& kit,
                                 const Operator& person) {
  const protocol::Bundle& now = holders.bundle();
  HandoverOrder order{.t = options.threshold.value_or(now.parameters()->t),
                      .agents = {},
                      .dealers = {},
                      .recovery_dealer = std::nullopt,
                      .blob = {},
                      .our_agents = options.our_agents,
                      .wait = std::chrono::seconds(options.wait_seconds)};
  if (auto chosen = choose_agents(options, holders, invited, order); !chosen)
    return std::move(chosen).error();
  if (!options.kit.empty()) leave_out_who_leaves(now, order);
  if (order.dealers.empty()) return Error(Code::unavailable, "no agent that holds the key can be reached");
  if (shares_of(order.dealers) >= now.parameters()->t) return order;
  if (options.kit.empty())
    return with_hint(Error(Code::unavailable, "too few holders can be reached to hand the key over"),
                     "--kit names the recovery kit, whose code replaces an agent");
  auto opened = OpenedKit::open(options.kit, person);
  if (!opened) return std::move(opened).error();
  kit = *std::move(opened);
  auto share = kit->share_from(now, order.dealers);
  if (!share) return std::move(share).error();
  order.recovery_dealer.emplace(*std::move(share));
  order.blob = kit->kit.blob().encoded();
  return order;
}

bool joins_as_the_companys(const HandoverOrder& order) {
  return std::ranges::any_of(order.agents, [&](const NewHolder& agent) {
    return agent.holder == nullptr && !agent.invited->invitation().organisation &&
           order.is_ours(*agent.invited);
  });
}

}  // namespace

Status reshare(const ReshareOptions& options, const Operator& person, std::int64_t now_ms, Random& random) {
  auto invited = read_invitations(options.invitations, now_ms);
  if (!invited) return std::move(invited).error();
  const auto lock = DirectoryLock::acquire(options.directory);
  if (!lock) return lock.error();
  auto folder = KeyFolder::open(options.directory, options.key);
  if (!folder) return std::move(folder).error();
  const std::string lost = someone_replaced(folder->bundle(), options, *invited);
  auto holders = settled_holders(*folder, *invited, person, random, lost);
  if (!holders) return std::move(holders).error();
  const std::uint8_t t = options.threshold.value_or(holders->bundle().parameters()->t);
  if (auto known = check_leaving(holders->bundle(), options); !known) return known;
  if (already_so(holders->bundle(), options, *invited, t)) {
    std::cout << "the holders are these already; ";
    print_holders(holders->bundle());
    return Done{};
  }
  std::optional<OpenedKit> kit;
  auto order = make_order(options, *holders, *invited, kit, person);
  if (!order) return std::move(order).error();
  std::optional<protocol::SigningKey> ca_key;
  if (joins_as_the_companys(*order)) {
    auto opened = open_client_ca_key(options.directory, folder->bundle().parameters()->client_ca, person);
    if (!opened) return std::move(opened).error();
    order->ca_key = &ca_key.emplace(*std::move(opened));
  }
  const auto next = draft(holders->bundle(), *order, random);
  if (!next) return next.error();
  if (options.plan_only) {
    print_plan(holders->bundle(), *next);
    return Done{};
  }
  if (auto allowed = check_quorums(holders->bundle(), *next, options.allow_quorum); !allowed) return allowed;

  auto lists = lists_for_joiners(*holders, *folder, person);
  if (!lists) return std::move(lists).error();
  Completion completion{.agents = order->agents,
                        .leaving = {},
                        .lists = *std::move(lists),
                        .keep = folder->keeps_acknowledgements()};
  for (HolderAgent* const agent : holders->reachable())
    if (std::ranges::none_of(order->agents, [&](const NewHolder& stays) { return stays.holder == agent; }))
      completion.leaving.push_back(agent);
  const bool by_recovery = order->recovery_dealer.has_value();
  Handover handover(holders->bundle(), *std::move(order), person, random);
  if (auto prepared = handover.prepare(); !prepared) return prepared;
  if (auto done = complete_handover(handover.next(), completion, person, random); !done) return done;
  if (auto renewed = folder->renew(handover.next()); !renewed) return renewed;
  if (kit)
    if (const auto opened = see_code_open(*kit, handover.next(), folder->administrator(), person, random);
        !opened)
      return with_hint(opened.error(),
                       "the key has its new holders, and code and kit stay the same: have the agents' "
                       "operators look at their agents, then run coprotect-provision drill --kit");
  std::cout << "\nthe key has new holders; ";
  print_holders(handover.next());
  std::cout
      << "  clients       learn of it from the agents that stayed or left\n"
      << (by_recovery
              ? "                and leave who is gone for good with the next coprotect-provision refresh\n"
              : "")
      << (kit ? "  recovery      code and kit stay the same, and just now opened the new recovery parts\n"
              : "  recovery      code and kit stay the same. Every agent verified that the recovery key "
                "opens the\n"
                "                new recovery share; that your code opens the kit, only a drill shows\n")
      << "  who left      keeps what it copied: docs/runbooks says what that is worth, and when a new key "
         "and rewrap are the answer\n";
  return Done{};
}

}  // namespace coprotect::provisioning
