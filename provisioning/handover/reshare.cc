#include "provisioning/handover/reshare.h"

#include <algorithm>
#include <iostream>

#include "provisioning/handover/draft.h"
#include "provisioning/handover/opened_kit.h"
#include "provisioning/registry.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

// The identity of a party that holds a share and is not among the invited, or is there with another identity.
std::string someone_replaced(const protocol::Bundle& now, std::span<InvitedAgent> invited) {
  for (const protocol::Party& party : now.parameters()->parties) {
    const auto stays = [&](const InvitedAgent& agent) {
      return agent.invitation().identity_certificate.key() == party.identity_key;
    };
    if (party.is_agent() && std::ranges::none_of(invited, stays)) return party.name;
  }
  return {};
}

bool already_so(const protocol::Bundle& now, std::span<InvitedAgent> invited, std::uint8_t t) {
  std::vector<protocol::VerifyKey> holders;
  for (const protocol::Party& party : now.parameters()->parties)
    if (party.is_agent()) holders.push_back(party.identity_key);
  return now.parameters()->t == t &&
         std::ranges::equal(holders, invited, {}, {}, [](const InvitedAgent& agent) {
           return agent.invitation().identity_certificate.key();
         });
}

Result<HandoverOrder> make_order(const ReshareOptions& options, HolderGroup& holders,
                                 std::span<InvitedAgent> invited, std::span<InvitedAgent> leaving,
                                 const Operator& person) {
  const protocol::Bundle& now = holders.bundle();
  HandoverOrder order{.t = options.threshold.value_or(now.parameters()->t),
                      .agents = {},
                      .dealers = {},
                      .recovery_dealer = std::nullopt,
                      .blob = {}};
  for (InvitedAgent& agent : invited) {
    HolderGroup::Member* const member = holders.find(agent.party());
    const bool stays = member != nullptr &&
                       member->agent->party().identity_key == agent.invitation().identity_certificate.key();
    if (stays && !member->status) return member->status.error();
    order.agents.push_back({.holder = stays ? member->agent.get() : nullptr, .invited = &agent});
    if (stays) order.dealers.push_back(order.agents.back());
  }
  for (HolderAgent* const agent : holders.reachable())
    if (InvitedAgent* const approval = invitation_of(leaving, agent->name()))
      order.dealers.push_back({.holder = agent, .invited = approval});
  if (order.dealers.empty())
    return Error(Code::unavailable, "no agent that holds the key is invited and can be reached");
  const auto kept = order.dealers.front().holder->recovery_share();
  if (!kept) return kept.error();
  order.blob = kept->first;

  std::size_t shares = 0;
  for (const NewHolder& dealer : order.dealers) shares += dealer.holder->party().indices.size();
  if (shares >= now.parameters()->t) return order;
  if (options.kit.empty())
    return with_hint(
        Error(Code::unavailable, "too few holders can be reached to hand the key over"),
        "--leaving names an invitation of an agent that deals and leaves; --kit the recovery kit, "
        "whose code replaces an agent");
  const auto kit = OpenedKit::open(options.kit, person);
  if (!kit) return kit.error();
  auto share = kit->share_of(now, *order.dealers.front().holder);
  if (!share) return std::move(share).error();
  order.recovery_dealer.emplace(*std::move(share));
  return order;
}

bool joins_as_the_companys(const HandoverOrder& order) {
  return std::ranges::any_of(order.agents, [](const NewHolder& agent) {
    return agent.holder == nullptr && !agent.invited->invitation().organisation;
  });
}

}  // namespace

Status reshare(const ReshareOptions& options, const Operator& person, std::int64_t now_ms, Random& random) {
  auto invited = read_invitations(options.invitations, now_ms);
  if (!invited) return std::move(invited).error();
  auto leaving = read_invitations(options.leaving, now_ms);
  if (!leaving) return std::move(leaving).error();
  const auto lock = DirectoryLock::acquire(options.directory);
  if (!lock) return lock.error();
  auto folder = KeyFolder::open(options.directory, options.key);
  if (!folder) return std::move(folder).error();
  const std::string lost = someone_replaced(folder->bundle(), *invited);
  auto holders = settled_holders(*folder, *invited, person, random, lost);
  if (!holders) return std::move(holders).error();
  const std::uint8_t t = options.threshold.value_or(holders->bundle().parameters()->t);
  if (already_so(holders->bundle(), *invited, t)) {
    std::cout << "the holders are these already; ";
    print_holders(holders->bundle());
    return Done{};
  }
  auto order = make_order(options, *holders, *invited, *leaving, person);
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

  auto lists = holders->lists();
  if (!lists) return std::move(lists).error();
  Completion completion{.agents = order->agents, .leaving = {}, .lists = *std::move(lists)};
  for (HolderAgent* const agent : holders->reachable())
    if (std::ranges::none_of(order->agents, [&](const NewHolder& next) { return next.holder == agent; }))
      completion.leaving.push_back(agent);
  Handover handover(holders->bundle(), *std::move(order), person, random);
  if (auto prepared = handover.prepare(); !prepared) return prepared;
  if (auto done = complete_handover(handover.next(), completion, person); !done) return done;
  if (auto renewed = folder->renew(handover.next()); !renewed) return renewed;
  std::cout << "\nthe key has new holders; ";
  print_holders(handover.next());
  std::cout
      << "  clients       learn of it from the agents that stayed or left\n"
      << "  recovery      code and kit stay valid\n"
      << "  who left      keeps what it copied: docs/runbooks says what that is worth, and when a new key "
         "and rewrap are the answer\n";
  return Done{};
}

}  // namespace coprotect::provisioning
