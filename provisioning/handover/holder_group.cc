#include "provisioning/handover/holder_group.h"

#include <algorithm>

#include "client/bundle_update.h"
#include "protocol/message/acknowledged.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

using protocol::Bundle;
using protocol::Party;

// The bundle that a member shows. Code::altered if its status contradicts itself, or concerns another key or
// branch than everything known.
Result<Bundle> shown_by(const HolderGroup::Member& member, const Bundle& known) {
  auto bundle = Bundle::parse(member.status->bundle);
  const std::string shows = member.agent->name() + " agent shows ";
  if (!bundle) return Error(Code::altered, shows + "no bundle: " + bundle.error().message());
  if (!bundle->extends(known) && !known.extends(*bundle))
    return Error(Code::altered,
                 shows + "another history of key " + to_hex(known.key_id()) + " than is known");
  if (bundle->epoch() != member.status->epoch)
    return Error(Code::altered, shows + "a bundle of epoch " + std::to_string(bundle->epoch()) +
                                    " and says that it is in epoch " + std::to_string(member.status->epoch));
  return bundle;
}

// The bundles that members show. A member whose status contradicts itself, or concerns another key or branch
// than everything known, gets that error as its status.
std::vector<AgentHistory> take_histories(const Bundle& known, std::vector<HolderGroup::Member>& members,
                                         std::string_view distrusted) {
  std::vector<AgentHistory> shown;
  for (HolderGroup::Member& member : members) {
    if (!member.status) continue;
    auto bundle = shown_by(member, known);
    if (!bundle) {
      const auto other = Bundle::parse(member.status->bundle);
      member.on_other_branch =
          other && other->key_id() == known.key_id() && other->epoch() == member.status->epoch;
      member.status = std::move(bundle).error();
    } else if (member.agent->name() != distrusted) {
      const bool acknowledged =
          bundle->versions() > 0 && protocol::check_acknowledged(*bundle, member.status->acknowledgements);
      shown.push_back({.agent = member.agent->name() + " agent",
                       .bundle = *std::move(bundle),
                       .acknowledged = acknowledged});
    }
  }
  return shown;
}

// Ignores what only the distrusted agent shows, or what is on its own branch.
void leave_alone(const Bundle& newest, std::vector<HolderGroup::Member>& members,
                 std::string_view distrusted) {
  for (HolderGroup::Member& member : members) {
    if (!member.status || member.agent->name() != distrusted) continue;
    const auto bundle = Bundle::parse(member.status->bundle);
    if (bundle && newest.extends(*bundle)) continue;
    member.status = Error(Code::altered, member.agent->name() + " agent shows epoch " +
                                             std::to_string(member.status->epoch) +
                                             " of the key, of which no other agent knows");
  }
}

}  // namespace

Result<Bundle> newest_history(const Bundle& known, const std::vector<AgentHistory>& shown) {
  std::vector<const AgentHistory*> newest;  // those from which no other continues
  for (const AgentHistory& one : shown) {
    if (known.extends(one.bundle)) continue;
    if (one.bundle.key_id() != known.key_id() || !one.bundle.extends(known))
      return Error(Code::altered,
                   one.agent + " shows another history of key " + to_hex(known.key_id()) + " than is known");
    const auto goes_on = [&](const AgentHistory* other) { return other->bundle.extends(one.bundle); };
    if (std::ranges::any_of(newest, goes_on)) continue;
    std::erase_if(newest, [&](const AgentHistory* other) { return one.bundle.extends(other->bundle); });
    newest.push_back(&one);
  }
  if (newest.empty()) return known;
  const auto acknowledged = [&](const AgentHistory* history) {
    return std::ranges::any_of(shown, [&](const AgentHistory& one) {
      return one.acknowledged && one.bundle.newest_hash() == history->bundle.newest_hash();
    });
  };
  std::uint32_t latest = 0;
  for (const AgentHistory* const one : newest)
    if (acknowledged(one)) latest = std::max(latest, one->bundle.epoch());
  std::erase_if(newest,
                [&](const AgentHistory* one) { return acknowledged(one) && one->bundle.epoch() < latest; });
  const auto shown_by = [&](const AgentHistory* history) {
    return std::ranges::count_if(
        shown, [&](const AgentHistory& one) { return one.bundle.extends(history->bundle); });
  };
  std::ranges::stable_sort(newest, std::greater<>(), shown_by);
  if (newest.size() > 1 && shown_by(newest[0]) == shown_by(newest[1]))
    return with_hint(Error(Code::altered, newest[0]->agent + " and " + newest[1]->agent +
                                              " show different histories of key " + to_hex(known.key_id()) +
                                              ": one of them is not to be trusted"),
                     "one of them may show a handover that was taken back; coprotect-provision reshare "
                     "replaces it");
  return newest.front()->bundle;
}

Result<HolderGroup> HolderGroup::look(const Bundle& known, const client::Credentials& credentials,
                                      Random& random, std::string_view distrusted) {
  HolderGroup group(known, credentials);
  std::vector<Member> former;
  for (;;) {
    for (const Party& party : group.bundle_.parameters()->parties) {
      if (!party.is_agent()) continue;
      auto agent = std::make_unique<HolderAgent>(group.bundle_, party, credentials, random);
      auto status = agent->status();
      group.members_.push_back({std::move(agent), std::move(status), true});
    }
    const auto shown = take_histories(group.bundle_, group.members_, distrusted);
    auto newest = newest_history(group.bundle_, shown);
    if (!newest) return std::move(newest).error();
    leave_alone(*newest, group.members_, distrusted);
    if (newest->epoch() == group.bundle_.epoch()) break;
    // Asks them again as holders of the newer epoch. Those that no longer hold shares are kept separately.
    for (Member& member : group.members_) {
      if (newest->parameters().position_of(member.agent->party().identity_key)) continue;
      member.holds_now = false;
      former.push_back(std::move(member));
    }
    group.members_.clear();
    group.bundle_ = *std::move(newest);
  }
  std::ranges::move(former, std::back_inserter(group.members_));
  return group;
}

const std::vector<protocol::Statement>* HolderGroup::acknowledgements() const {
  for (const Member& member : members_)
    if (member.status && member.status->bundle == bundle_.encoded() &&
        protocol::check_acknowledged(bundle_, member.status->acknowledgements))
      return &member.status->acknowledgements;
  return recalled_ ? &*recalled_ : nullptr;
}

void HolderGroup::recall(const protocol::RetireRequest& kept) {
  if (bundle_.versions() == 0 || kept.version != bundle_.newest()) return;
  if (protocol::check_acknowledged(bundle_, kept.acknowledgements)) recalled_ = kept.acknowledgements;
}

bool HolderGroup::confirmed() const {
  if (acknowledgements() != nullptr) return true;
  std::vector<client::ShownBundle> shown;
  for (const Member& member : members_) {
    if (!member.status || member.status->unacknowledged) continue;
    if (auto bundle = Bundle::parse(member.status->bundle))
      shown.push_back({.agent = member.agent->party().identity_key.bytes(), .bundle = *std::move(bundle)});
  }
  return client::shown_by_quorum(bundle_, shown);
}

HolderGroup::Member* HolderGroup::find(std::string_view name) {
  const auto found = std::ranges::find_if(
      members_, [&](const Member& member) { return member.holds_now && member.agent->name() == name; });
  return found == members_.end() ? nullptr : &*found;
}

std::vector<HolderAgent*> HolderGroup::reachable() {
  std::vector<HolderAgent*> agents;
  for (Member& member : members_)
    if (member.holds_now && member.status) agents.push_back(member.agent.get());
  return agents;
}

Result<Bytes> HolderGroup::newest_list(const ListKind& kind) {
  std::optional<Bytes> newest;
  std::uint64_t newest_serial = 0;
  Error why(Code::unavailable, "no agent that holds the key can be reached");
  for (HolderAgent* const agent : reachable()) {
    auto list = agent->list(kind);
    const auto serial =
        list ? told_serial(kind, *list, bundle_.parameters()->client_ca, agent->name())
             : Result<std::uint64_t>(
                   Error(list.error()).in(agent->name() + " agent's " + std::string(kind.name)));
    if (!serial) {
      why = serial.error();
      continue;
    }
    if (newest && *serial <= newest_serial) continue;
    newest = *std::move(list);
    newest_serial = *serial;
  }
  if (!newest) return why;
  return *std::move(newest);
}

Result<TenantLists> HolderGroup::lists() {
  auto clients = newest_list(kClientLists);
  if (!clients) return std::move(clients).error();
  auto keys = newest_list(kKeyLists);
  if (!keys && keys.error().code() != Code::not_found) return std::move(keys).error();
  return TenantLists{*std::move(clients), keys ? *std::move(keys) : Bytes{}, credentials_};
}

Status HolderGroup::all_reachable(std::string_view but) const {
  for (const Member& member : members_)
    if (member.holds_now && !member.status && member.agent->name() != but) return waits_for(member);
  return Done{};
}

Error waits_for(const HolderGroup::Member& member) {
  const Error& why = member.status.error();
  return with_hint(Error(why.code(), "waiting for the " + member.agent->name() + " agent: " + why.message()),
                   "run the command again once it answers; if it is lost, coprotect-provision restore or "
                   "reshare replaces it");
}

}  // namespace coprotect::provisioning
