#include "provisioning/handover/oversight.h"

#include <iostream>

#include "protocol/handover/transcript.h"
#include "provisioning/clock.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

void print_notice(const std::string& party, const protocol::HandoverNotice& notice) {
  std::cout << "announced at the " << party << " agent by " << printable(notice.client) << ": "
            << (notice.vetoed ? "vetoed" : "may begin at " + utc_text(notice.not_before_ms)) << '\n';
  for (const auto& holder : notice.layout.holders)
    std::cout << "    " << holder.name << (holder.url.empty() ? "" : "  " + holder.url) << '\n';
  if (!notice.vetoed) std::cout << "  object with   coprotect-provision veto --dir FOLDER\n";
}

void print_state(const HolderGroup::Member& member, const protocol::Bundle& newest) {
  const std::string who = "the " + member.agent->name() + " agent";
  if (!member.status) {
    std::cout << who << " does not answer: " << printable(member.status.error().message()) << '\n';
    return;
  }
  const protocol::HandoverStatus& status = *member.status;
  if (member.holds_now && status.epoch < newest.epoch())
    std::cout << "waiting for " << who << " to leave epoch " << status.epoch << '\n';
  if (status.unacknowledged)
    std::cout << who << " keeps older shares until all use epoch " << status.epoch << '\n';
  if (status.prepared)
    std::cout << who << " confirmed a handover that is not finished; waiting for the others\n";
  if (status.announced) print_notice(member.agent->name(), *status.announced);
}

}  // namespace

Status show_holders(const KeyOptions& options, Random& random) {
  const auto folder = KeyFolder::open(options.directory, options.key);
  if (!folder) return folder.error();
  auto holders = HolderGroup::look(folder->bundle(), folder->administrator(), random);
  if (!holders) return std::move(holders).error();
  print_holders(holders->bundle());
  for (const HolderGroup::Member& member : holders->members()) print_state(member, holders->bundle());
  return Done{};
}

Status veto(const KeyOptions& options, Random& random) {
  const auto folder = KeyFolder::open(options.directory, options.key);
  if (!folder) return folder.error();
  auto holders = HolderGroup::look(folder->bundle(), folder->administrator(), random);
  if (!holders) return std::move(holders).error();
  bool vetoed = false;
  for (HolderGroup::Member& member : holders->members()) {
    if (!member.status || !member.status->announced) continue;
    if (auto done = member.agent->veto(); !done) return done;
    std::cout << "the " << member.agent->name() << " agent will not carry out what was announced\n";
    vetoed = true;
  }
  if (!vetoed) return Error(Code::not_found, "nothing is announced at an agent that answers");
  std::cout << "  next          if kit and code are in wrong hands: coprotect-provision new-code\n";
  return Done{};
}

Status abort_unfinished(const KeyOptions& options, const Operator& person, Random& random) {
  const auto lock = DirectoryLock::acquire(options.directory);
  if (!lock) return lock.error();
  auto folder = KeyFolder::open(options.directory, options.key);
  if (!folder) return std::move(folder).error();
  auto holders = settled_holders(*folder, {}, person, random);
  if (!holders) return std::move(holders).error();
  std::cout << "nothing is unfinished; ";
  print_holders(holders->bundle());
  return Done{};
}

}  // namespace coprotect::provisioning
