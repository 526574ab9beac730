#include "provisioning/handover/refresh.h"

#include <iostream>

#include "provisioning/handover/completion.h"
#include "provisioning/handover/draft.h"

namespace coprotect::provisioning {

Status refresh(const KeyOptions& options, const Operator& person, Random& random) {
  const auto lock = DirectoryLock::acquire(options.directory);
  if (!lock) return lock.error();
  auto folder = KeyFolder::open(options.directory, options.key);
  if (!folder) return std::move(folder).error();
  auto holders = settled_holders(*folder, {}, person, random);
  if (!holders) return std::move(holders).error();

  HandoverOrder order{
      .t = holders->bundle().parameters()->t,
      .agents = {},
      .dealers = {},
      .recovery_dealer = std::nullopt,
      .blob = {},
  };
  for (HolderAgent* const agent : holders->reachable())
    order.agents.push_back({.holder = agent, .invited = nullptr});
  order.dealers = order.agents;
  const auto next = draft(holders->bundle(), order, random);
  if (!next) return next.error();
  if (options.plan_only) {
    print_plan(holders->bundle(), *next);
    return Done{};
  }
  if (auto allowed = check_quorums(holders->bundle(), *next, options.allow_quorum); !allowed) return allowed;

  const std::vector<NewHolder> agents = order.agents;
  Handover handover(holders->bundle(), std::move(order), person, random);
  if (auto prepared = handover.prepare(); !prepared) return prepared;
  const Completion completion{
      .agents = agents, .leaving = {}, .lists = {}, .keep = folder->keeps_acknowledgements()};
  if (auto done = complete_handover(handover.next(), completion, person, random); !done) return done;
  if (auto renewed = folder->renew(handover.next()); !renewed) return renewed;
  std::cout << "\nall shares are new; ";
  print_holders(handover.next());
  std::cout
      << "  clients       learn of it from the agents by themselves\n"
      << "  recovery      code and kit stay the same. Every agent verified that the recovery key opens\n"
      << "                the new recovery share; that your code opens the kit, only a drill shows\n";
  return Done{};
}

}  // namespace coprotect::provisioning
