#include "provisioning/handover/holder_group.h"

#include <algorithm>

#include "protocol/handover/statements.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

using protocol::Bundle;
using protocol::HandoverTranscript;
using protocol::Party;

// The newest of the bundles that the members know, if it goes on from the one at hand.
Result<Bundle> newest_of(const Bundle& known, const std::vector<HolderGroup::Member>& members) {
  Bundle newest = known;
  for (const HolderGroup::Member& member : members) {
    if (!member.status || member.status->bundle == newest.encoded()) continue;
    auto bundle = Bundle::parse(member.status->bundle);
    if (!bundle) return std::move(bundle).error().in(member.agent->name() + " agent");
    if (newest.extends(*bundle)) continue;
    if (!bundle->extends(newest))
      return Error(Code::altered, member.agent->name() + " agent shows another history of key " +
                                      to_hex(known.key_id()) + " than is known");
    newest = *std::move(bundle);
  }
  return newest;
}

// An error that names who does not answer, and what to do without it.
Error waits_for(const HolderGroup::Member& member) {
  const Error& why = member.status.error();
  return with_hint(Error(why.code(), "waiting for the " + member.agent->name() + " agent: " + why.message()),
                   "run the command again once it answers; if it is lost, coprotect-provision restore or "
                   "reshare replaces it");
}

}  // namespace

Result<HolderGroup> HolderGroup::look(const Bundle& known, const client::Credentials& credentials,
                                      Random& random) {
  HolderGroup group(known, credentials);
  std::vector<Member> former;
  for (;;) {
    for (const Party& party : group.bundle_.parameters()->parties) {
      if (!party.is_agent()) continue;
      auto agent = std::make_unique<HolderAgent>(group.bundle_, party, credentials, random);
      auto status = agent->status();
      group.members_.push_back({std::move(agent), std::move(status), true});
    }
    auto newest = newest_of(group.bundle_, group.members_);
    if (!newest) return std::move(newest).error();
    if (newest->epoch() == group.bundle_.epoch()) break;
    // Asked again, as holders of the newer epoch; those who are none any more are remembered.
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
        list ? kind.serial(*list, bundle_.parameters()->client_ca) : Result<std::uint64_t>(list.error());
    if (!serial) {
      why = Error(serial.error()).in(agent->name() + " agent's " + std::string(kind.name));
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

namespace {

// The parties of the newest epoch, each as it can be asked: by a signed request, or, if it only just joins,
// by its invitation.
Result<Completion> completion_of(HolderGroup& holders, const Bundle& newest, const Leftover& leftover) {
  Completion completion{.agents = {}, .leaving = {}, .lists = leftover.lists};
  for (HolderGroup::Member& member : holders.members())
    if (member.status && !newest.parameters().position_of(member.agent->party().identity_key))
      completion.leaving.push_back(member.agent.get());
  for (const Party& party : newest.parameters()->parties) {
    if (!party.is_agent()) continue;
    HolderGroup::Member* const member = holders.find(party.name);
    if (member != nullptr && member->status && member->agent->party().identity_key == party.identity_key) {
      completion.agents.push_back({.holder = member->agent.get(), .invited = nullptr});
      continue;
    }
    const auto invited = std::ranges::find_if(leftover.invited, [&](const InvitedAgent& agent) {
      return agent.invitation().identity_certificate.key() == party.identity_key;
    });
    if (invited != leftover.invited.end())
      completion.agents.push_back({.holder = nullptr, .invited = &*invited});
    else if (member != nullptr && !member->status)
      return waits_for(*member);
    else
      return Error(Code::unavailable, "waiting for the " + party.name +
                                          " agent, which only its invitation reaches: name it again");
  }
  return completion;
}

// The bundle of a handover that everybody confirmed, though nobody could tell them so.
std::optional<Bundle> assemble(HolderGroup& holders, const HandoverTranscript& transcript,
                               std::span<InvitedAgent> invited) {
  std::vector<protocol::Signature> confirmations;
  for (const std::size_t signer : transcript.signers()) {
    const Party& party = transcript.plan()->parameters->parties[signer];
    std::optional<protocol::Signature> said;
    for (const HolderGroup::Member& member : holders.members())
      if (member.status && member.status->prepared &&
          member.agent->party().identity_key == party.identity_key)
        said = member.status->prepared->confirmation;
    for (InvitedAgent& agent : invited)
      if (agent.invitation().identity_certificate.key() == party.identity_key)
        if (const auto again = agent.confirm_again(transcript.plan().sid())) said = *again;
    if (!said || !protocol::verify_confirmation(party.identity_key, transcript, *said)) return std::nullopt;
    confirmations.push_back(*said);
  }
  auto bundle = holders.bundle().followed_by(protocol::HandoverVersion::encode(transcript, confirmations));
  if (!bundle) return std::nullopt;
  return *std::move(bundle);
}

Result<Settled> take_back(HolderGroup& holders, const protocol::HandoverPlan& plan, const Leftover& leftover,
                          const Operator& person) {
  person.progress("taking back the handover to epoch " + std::to_string(plan->epoch) +
                  ", which was not finished");
  std::vector<InvitedAgent*> joining;
  for (InvitedAgent& agent : leftover.invited)
    if (plan->parameters.position_of(agent.invitation().identity_certificate.key()) &&
        !holders.bundle().parameters().position_of(agent.invitation().identity_certificate.key()))
      joining.push_back(&agent);
  const std::vector<HolderAgent*> reachable = holders.reachable();
  if (auto aborted = abort_handover(plan, reachable, joining); !aborted) {
    if (auto all = holders.all_reachable(); !all) return std::move(all).error();
    return std::move(aborted).error();
  }
  return Settled::taken_back;
}

// If one of the parties took it back meanwhile, all others have to.
Result<Settled> complete(HolderGroup& holders, const Bundle& newest, const Leftover& leftover,
                         const Operator& person) {
  const auto completion = completion_of(holders, newest, leftover);
  if (!completion) return completion.error();
  person.progress("finishing the handover to epoch " + std::to_string(newest.epoch()));
  const auto done = complete_handover(newest, *completion, person);
  if (done) return Settled::completed;
  if (done.error().code() != Code::conflict) return done.error();
  person.warn(done.error().message());
  const auto plan = protocol::HandoverVersion::plan_of(newest.newest());
  if (!plan) return plan.error();
  return take_back(holders, *plan, leftover, person);
}

// What those who join know: a newer epoch, which then is committed, or one that they prepared.
struct Joiners {
  std::optional<Bundle> newer;
  std::vector<std::pair<InvitedAgent*, protocol::HandoverPlan>> prepared;
};

Result<Joiners> ask_joiners(const Bundle& newest, std::span<InvitedAgent> invited, Random& random) {
  Joiners joiners;
  for (InvitedAgent& agent : invited) {
    if (newest.parameters().position_of(agent.invitation().identity_certificate.key())) continue;
    const auto status = agent.status(random);
    if (!status) return status.error();
    if (status->state == protocol::CeremonyState::prepared) {
      auto plan = protocol::HandoverPlan::parse(status->bundle);
      if (!plan) return std::move(plan).error().in(agent.party() + " agent");
      joiners.prepared.emplace_back(&agent, *std::move(plan));
    }
    if (status->state != protocol::CeremonyState::active) continue;
    auto bundle = Bundle::parse(status->bundle);
    if (!bundle) return std::move(bundle).error().in(agent.party() + " agent");
    if (bundle->key_id() != newest.key_id() || !bundle->extends(newest))
      return Error(Code::conflict, agent.party() + " agent's invitation has made another key");
    joiners.newer = *std::move(bundle);
  }
  return joiners;
}

// Whom nobody else followed.
Status clear_joiners(const Joiners& joiners) {
  for (const auto& [agent, plan] : joiners.prepared)
    if (const auto aborted = agent->abort_handover(plan); !aborted) return aborted.error();
  return Done{};
}

const HolderGroup::Member* find_prepared(HolderGroup& holders) {
  for (const HolderGroup::Member& member : holders.members())
    if (member.status && member.status->prepared && member.status->epoch == holders.bundle().epoch())
      return &member;
  return nullptr;
}

Result<HandoverTranscript> prepared_transcript(const HolderGroup::Member& member, const Bundle& newest) {
  auto transcript =
      HandoverTranscript::parse(member.status->prepared->transcript, newest.sharing(), newest.newest_hash());
  if (!transcript) return std::move(transcript).error().in(member.agent->name() + " agent");
  return transcript;
}

bool is_behind(const HolderGroup::Member& member, const Bundle& newest) {
  return member.status &&
         (member.status->unacknowledged || (member.holds_now && member.status->epoch < newest.epoch()));
}

}  // namespace

Result<Settled> settle(HolderGroup& holders, const Leftover& leftover, const Operator& person,
                       Random& random) {
  const Bundle& newest = holders.bundle();
  auto joiners = ask_joiners(newest, leftover.invited, random);
  if (!joiners) return std::move(joiners).error();
  const std::optional<Bundle>& committed = joiners->newer ? joiners->newer : leftover.committed;
  if (committed && committed->extends(newest) && committed->epoch() > newest.epoch())
    return complete(holders, *committed, leftover, person);
  if (std::ranges::any_of(holders.members(), [&](const auto& member) { return is_behind(member, newest); }))
    return complete(holders, newest, leftover, person);

  const HolderGroup::Member* const prepared = find_prepared(holders);
  if (prepared == nullptr) {
    if (auto cleared = clear_joiners(*joiners); !cleared) return std::move(cleared).error();
    return Settled::nothing_left;
  }
  const auto transcript = prepared_transcript(*prepared, newest);
  if (!transcript) return transcript.error();
  if (const auto whole = assemble(holders, *transcript, leftover.invited))
    return complete(holders, *whole, leftover, person);
  return take_back(holders, transcript->plan(), leftover, person);
}

Status take_back_prepared(HolderGroup& holders, std::span<InvitedAgent> invited, const Operator& person,
                          Random& random) {
  const auto joiners = ask_joiners(holders.bundle(), invited, random);
  if (!joiners) return joiners.error();
  const HolderGroup::Member* const prepared = find_prepared(holders);
  if (prepared == nullptr) return clear_joiners(*joiners);
  const auto transcript = prepared_transcript(*prepared, holders.bundle());
  if (!transcript) return transcript.error();
  const Leftover leftover{.committed = std::nullopt, .invited = invited, .lists = {}};
  const auto taken = take_back(holders, transcript->plan(), leftover, person);
  return taken ? Status(Done{}) : Status(taken.error());
}

}  // namespace coprotect::provisioning
