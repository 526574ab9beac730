#include "provisioning/handover/oversight.h"

#include <iostream>
#include <set>

#include "protocol/base/in_groups.h"
#include "protocol/base/text.h"
#include "protocol/crypto/hash.h"
#include "protocol/handover/transcript.h"
#include "provisioning/clock.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

std::string short_name(const protocol::HandoverNotice& notice) {
  return to_hex(ByteView(notice.hash()).first(8));
}

void print_notice(const std::string& party, const protocol::HandoverNotice& notice) {
  std::cout << "announced at the " << party << " agent by " << printable(notice.client) << ": "
            << (notice.vetoed ? "vetoed" : "may begin at " + utc_text(notice.not_before_ms)) << '\n';
  if (!notice.vetoed && notice.running_left_ms > 0)
    std::cout << "    once the agent has run for another " << (notice.running_left_ms + 999) / 1000 << " s\n";
  for (const auto& holder : notice.what.layout.holders)
    std::cout << "    " << printable(holder.name) << (holder.url.empty() ? "" : "  " + printable(holder.url))
              << "\n      organisation\n"
              << in_groups(protocol::organisation_fingerprint(holder.organisation), "        ") << '\n';
  if (notice.what.recovery_key)
    std::cout << "    recovery key\n"
              << in_groups(protocol::sha256(*notice.what.recovery_key), "        ") << '\n';
  if (!notice.vetoed)
    std::cout << "  object with   coprotect-provision veto --dir FOLDER " << short_name(notice) << '\n';
}

using Condition = protocol::HandoverStatus::Condition;

void print_problem(const std::string& problem) {
  if (!problem.empty()) std::cout << "  wrong         " << printable(problem) << '\n';
}

// When this agent last verified what it keeps for the recovery code, and last saw the code open it.
void print_recovery(const HolderAgent& agent, const Condition& condition) {
  const auto date = [](const std::optional<std::int64_t>& time_ms) {
    return time_ms ? utc_text(*time_ms) : std::string("never");
  };
  std::cout << "recovery at the " << agent.name() << " agent: parts verified "
            << date(condition.parts_verified_ms) << ", code opened " << date(condition.code_opened_ms)
            << '\n';
  print_problem(condition.recovery);
}

// As signed by the agent. A front in its place could forge the health report.
void print_condition(const HolderGroup::Member& member, const protocol::Bundle& newest) {
  if (!member.status) return;
  const Condition& condition = member.status->condition;
  if (newest.parameters().recovery_party()) print_recovery(*member.agent, condition);
  if (!condition.contacts.empty()) {
    std::cout << "contacts of the " << member.agent->name() << " agent\n";
    print_problem(condition.contacts);
  }
  if (condition.erasure_held)
    std::cout << "the operator of the " << member.agent->name() << " agent holds the erasure of this key\n";
  if (!condition.erasure.empty()) {
    std::cout << "erasure at the " << member.agent->name() << " agent\n";
    print_problem(condition.erasure);
  }
}

void print_state(const HolderGroup::Member& member, const protocol::Bundle& newest) {
  const std::string who = "the " + member.agent->name() + " agent";
  if (!member.status) {
    std::cout << who
              << (member.status.error().code() == Code::altered ? " is not to be believed: "
                                                                : " does not answer: ")
              << printable(member.status.error().message()) << '\n';
    return;
  }
  const protocol::HandoverStatus& status = *member.status;
  if (member.holds_now && status.epoch < newest.epoch())
    std::cout << "waiting for " << who << " to leave epoch " << status.epoch << '\n';
  if (status.unacknowledged)
    std::cout << who << " keeps older shares until all use epoch " << status.epoch << '\n';
  if (status.prepared)
    std::cout << who << " confirmed a handover that is not finished; waiting for the others\n";
  for (const auto& notice : status.announced) print_notice(member.agent->name(), notice);
}

}  // namespace

Status show_holders(const KeyOptions& options, Random& random) {
  const auto folder = KeyFolder::open(options.directory, options.key);
  if (!folder) return folder.error();
  auto holders = HolderGroup::look(folder->bundle(), folder->administrator(), random);
  if (!holders) return std::move(holders).error();
  print_holders(holders->bundle());
  for (const HolderGroup::Member& member : holders->members()) {
    print_state(member, holders->bundle());
    if (member.holds_now) print_condition(member, holders->bundle());
  }
  return Done{};
}

Status veto(const KeyOptions& options, const std::string& which, Random& random) {
  const auto folder = KeyFolder::open(options.directory, options.key);
  if (!folder) return folder.error();
  auto holders = HolderGroup::look(folder->bundle(), folder->administrator(), random);
  if (!holders) return std::move(holders).error();
  std::set<std::string> names;
  for (const HolderGroup::Member& member : holders->members())
    if (member.status)
      for (const auto& notice : member.status->announced)
        if (!notice.vetoed) names.insert(short_name(notice));
  if (which.empty() && names.size() > 1)
    return with_hint(Error(Code::conflict, std::to_string(names.size()) + " different changes are announced"),
                     "name the one to object to; coprotect-provision holders shows them");
  // An agent that fails, or whose answers are blocked, must not keep the veto from the others.
  Failures failures;
  bool vetoed = false;
  for (HolderGroup::Member& member : holders->members()) {
    if (!member.status) continue;
    for (const auto& notice : member.status->announced) {
      if (!to_hex(notice.hash()).starts_with(which)) continue;
      if (auto done = member.agent->veto(notice); !done) {
        failures.add(done.error());
        continue;
      }
      std::cout << "the " << member.agent->name() << " agent will not carry out what "
                << printable(notice.client) << " announced\n";
      vetoed = true;
    }
  }
  for (const HolderGroup::Member& member : holders->members())
    if (!member.status && member.holds_now) failures.add(member.status.error());
  if (!failures.none())
    return with_hint(failures.status().error(),
                     "the change can go on at the agents that are named; run the command again");
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
