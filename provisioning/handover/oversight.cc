#include "provisioning/handover/oversight.h"

#include <iostream>
#include <set>

#include "protocol/base/text.h"
#include "protocol/crypto/hash.h"
#include "protocol/handover/transcript.h"
#include "provisioning/clock.h"
#include "provisioning/in_groups.h"
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

// When this agent last verified what it keeps for the recovery code, and last saw the code open it.
void print_recovery(HolderAgent& agent) {
  const auto health = agent.recovery_health();
  if (!health) return;
  const auto date = [](const std::optional<std::int64_t>& age_seconds) {
    return age_seconds ? utc_text(now_ms() - *age_seconds * 1000) : std::string("never");
  };
  std::cout << "recovery at the " << agent.name() << " agent: parts verified "
            << date(health->parts_age_seconds) << ", code opened " << date(health->code_age_seconds) << '\n';
  if (health->recovery != "ok") std::cout << "  wrong         " << printable(health->recovery) << '\n';
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
    if (member.status && member.holds_now) print_recovery(*member.agent);
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
  bool vetoed = false;
  for (HolderGroup::Member& member : holders->members()) {
    if (!member.status) continue;
    for (const auto& notice : member.status->announced) {
      if (!to_hex(notice.hash()).starts_with(which)) continue;
      if (auto done = member.agent->veto(notice); !done) return done;
      std::cout << "the " << member.agent->name() << " agent will not carry out what "
                << printable(notice.client) << " announced\n";
      vetoed = true;
    }
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
