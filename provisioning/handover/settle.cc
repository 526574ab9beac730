#include "provisioning/handover/settle.h"

#include <algorithm>

#include "protocol/handover/statements.h"
#include "protocol/message/acknowledged.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

using protocol::Bundle;
using protocol::HandoverTranscript;
using protocol::Party;

// The parties of the newest epoch, each with the way to ask it: by signed requests, or, if it is just
// joining, by its invitation.
Result<Completion> completion_of(HolderGroup& holders, const Bundle& newest, const Leftover& leftover) {
  Completion completion{.agents = {}, .leaving = {}, .lists = leftover.lists, .keep = leftover.keep};
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
      return with_hint(
          Error(Code::unavailable,
                "waiting for the " + party.name + " agent, which only its invitation reaches"),
          "reshare with that invitation finishes the handover; if the agent is lost, reshare --leave " +
              party.name + " goes on without it");
  }
  return completion;
}

// The bundle of a handover that all confirmed, but of which they could not be told.
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

bool is_behind(const HolderGroup::Member& member, const Bundle& newest) {
  return member.status &&
         (member.status->unacknowledged || (member.holds_now && member.status->epoch < newest.epoch()));
}

// A party of the newest epoch that says that it holds no share of it.
bool is_without_key(const HolderGroup::Member& member) {
  return member.holds_now && !member.status && member.status.error().code() == Code::not_found;
}

// It is in the newest epoch, but accepts a void of it until it is shown that all acknowledged it.
bool lacks_acknowledgements(const HolderGroup::Member& member, const Bundle& newest) {
  return member.status && member.holds_now && member.status->epoch == newest.epoch() &&
         newest.versions() > 0 && !protocol::check_acknowledged(newest, member.status->acknowledgements);
}

// Some have erased the epoch before, so no statement can undo this one. The others are shown the
// acknowledgements.
Result<Settled> finish_acknowledged(HolderGroup& holders,
                                    const std::vector<protocol::Statement>& acknowledgements,
                                    const Operator& person) {
  const Bundle& newest = holders.bundle();
  person.progress("all agents acknowledged epoch " + std::to_string(newest.epoch()));
  const protocol::RetireRequest request{.version = newest.newest(), .acknowledgements = acknowledgements};
  std::vector<HolderAgent*> staying;
  std::vector<HolderAgent*> leaving;
  for (HolderGroup::Member& member : holders.members()) {
    if (member.status && !is_behind(member, newest) && !lacks_acknowledgements(member, newest)) continue;
    // This activates an agent that only prepared. An agent that undid it needs only the acknowledgements.
    if (member.status && member.holds_now && member.status->epoch < newest.epoch())
      static_cast<void>(member.agent->activate(newest.newest()));
    // An agent on another branch, or without the key, may stay so permanently. That is no failure here.
    const bool must = member.holds_now && !member.on_other_branch && !is_without_key(member);
    (must ? staying : leaving).push_back(member.agent.get());
  }
  if (auto retired = retire_all(request, staying, leaving, person); !retired)
    return std::move(retired).error();
  return Settled::completed;
}

// If a party undid it meanwhile, all others have to.
Result<Settled> complete(HolderGroup& holders, const Bundle& newest, const Leftover& leftover,
                         const Operator& person, Random& random) {
  const auto completion = completion_of(holders, newest, leftover);
  if (!completion) return completion.error();
  person.progress("finishing the handover to epoch " + std::to_string(newest.epoch()));
  const auto done = complete_handover(newest, *completion, person, random);
  if (done) return Settled::completed;
  if (done.error().code() != Code::conflict) return done.error();
  if (leftover.finished && newest.epoch() <= *leftover.finished)
    return with_hint(
        Error(done.error())
            .in("epoch " + std::to_string(newest.epoch()) +
                ", which was finished, is not taken back, but an agent does not take it"),
        "if an agent's store was put back to an older one, coprotect-provision restore or reshare replaces "
        "the agent");
  person.warn(done.error().message());
  const auto plan = protocol::HandoverVersion::plan_of(newest.newest());
  if (!plan) return plan.error();
  return take_back(holders, *plan, leftover, person);
}

// All are in the newest epoch, but no agent can show that all acknowledged it. They acknowledge it again. No
// answer given now can undo it.
Result<Settled> gather_acknowledgements(HolderGroup& holders, const Leftover& leftover,
                                        const Operator& person, Random& random) {
  const auto completion = completion_of(holders, holders.bundle(), leftover);
  if (!completion) return completion.error();
  if (auto done = complete_handover(holders.bundle(), *completion, person, random); !done)
    return std::move(done).error();
  return Settled::completed;
}

// What joining agents know: a newer epoch, which then is committed, or one that they prepared.
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

// Clears joining agents that no other party followed.
Status clear_joiners(const Joiners& joiners) {
  Failures failures;
  for (const auto& [agent, plan] : joiners.prepared)
    if (const auto aborted = agent->abort_handover(plan); !aborted) failures.add(aborted.error());
  return failures.status();
}

// The transcript that a member prepared. Nothing if there is none. A member that shows an invalid one does
// not hide the others': the error names it only if there is no valid one.
Result<std::optional<HandoverTranscript>> find_prepared(HolderGroup& holders) {
  const Bundle& newest = holders.bundle();
  std::optional<Error> wrong;
  for (const HolderGroup::Member& member : holders.members()) {
    if (!member.status || !member.status->prepared || member.status->epoch != newest.epoch()) continue;
    auto transcript = HandoverTranscript::parse(member.status->prepared->transcript, newest.sharing(),
                                                newest.newest_hash());
    if (transcript) return std::optional(*std::move(transcript));
    wrong = std::move(transcript).error().in(member.agent->name() + " agent");
  }
  if (wrong) return *std::move(wrong);
  return std::optional<HandoverTranscript>();
}

Error says_otherwise(const HolderGroup::Member& member, const Bundle& newest) {
  return with_hint(
      Error(Code::conflict, "the " + member.agent->name() +
                                " agent said that it has finished the handover to epoch " +
                                std::to_string(newest.epoch()) + ", and still says that it has not"),
      "run the command again; if the agent says so again, coprotect-provision reshare --leave " +
          member.agent->name() + " replaces it");
}

}  // namespace

Result<Settled> settle(HolderGroup& holders, const Leftover& leftover, const Operator& person,
                       Random& random) {
  const Bundle& newest = holders.bundle();
  auto joiners = ask_joiners(newest, leftover.invited, random);
  if (!joiners) return std::move(joiners).error();
  const std::optional<Bundle>& committed = joiners->newer ? joiners->newer : leftover.committed;
  if (committed && committed->extends(newest) && committed->epoch() > newest.epoch())
    return complete(holders, *committed, leftover, person, random);
  const auto behind =
      std::ranges::find_if(holders.members(), [&](const auto& member) { return is_behind(member, newest); });
  if (behind != holders.members().end()) {
    if (leftover.completed == newest.epoch()) return says_otherwise(*behind, newest);
    if (const auto* const all_said = holders.acknowledgements())
      return finish_acknowledged(holders, *all_said, person);
    return complete(holders, newest, leftover, person, random);
  }

  // An agent that lied about two epochs separated another agent from the rest. That agent is shown which
  // epoch is valid.
  const auto torn = std::ranges::find_if(holders.members(), [](const HolderGroup::Member& member) {
    return member.holds_now && member.on_other_branch;
  });
  const auto* const all_said = holders.acknowledgements();
  if (torn != holders.members().end() && all_said != nullptr && leftover.completed != newest.epoch()) {
    person.warn(torn->status.error().message() + "; it is shown that all agents acknowledged epoch " +
                std::to_string(newest.epoch()));
    return finish_acknowledged(holders, *all_said, person);
  }
  if (leftover.completed != newest.epoch()) {
    const auto lacks = [&](const auto& member) { return lacks_acknowledgements(member, newest); };
    const bool some_lack = std::ranges::any_of(holders.members(), lacks);
    if (all_said != nullptr && (some_lack || std::ranges::any_of(holders.members(), is_without_key)))
      return finish_acknowledged(holders, *all_said, person);
    if (some_lack) return gather_acknowledgements(holders, leftover, person, random);
  }

  const auto prepared = find_prepared(holders);
  if (!prepared) return prepared.error();
  if (!*prepared) {
    if (auto cleared = clear_joiners(*joiners); !cleared) return std::move(cleared).error();
    return Settled::nothing_left;
  }
  const HandoverTranscript& transcript = **prepared;
  if (const auto whole = assemble(holders, transcript, leftover.invited))
    return complete(holders, *whole, leftover, person, random);
  return take_back(holders, transcript.plan(), leftover, person);
}

Status take_back_prepared(HolderGroup& holders, std::span<InvitedAgent> invited, const Operator& person,
                          Random& random) {
  const auto joiners = ask_joiners(holders.bundle(), invited, random);
  if (!joiners) return joiners.error();
  const auto prepared = find_prepared(holders);
  if (!prepared) return prepared.error();
  if (!*prepared) return clear_joiners(*joiners);
  const Leftover leftover{.committed = std::nullopt, .invited = invited, .lists = {}};
  const auto taken = take_back(holders, (*prepared)->plan(), leftover, person);
  return taken ? Status(Done{}) : Status(taken.error());
}

}  // namespace coprotect::provisioning
