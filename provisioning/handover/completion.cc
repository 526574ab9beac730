#include "provisioning/handover/completion.h"

#include <algorithm>

#include "protocol/base/fault.h"
#include "protocol/handover/statements.h"
#include "protocol/message/key_list.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

using protocol::HandoverPlan;
using protocol::Party;

constexpr std::chrono::seconds kJoinersListDeadline{30};

// For an agent that has just learnt of the tenant. An invitation is only for the ceremony, so the
// administrator sends the lists.
Status give_lists(const Party& party, const protocol::Bundle& key, const TenantLists& lists) {
  if (lists.bearer == nullptr) return Done{};
  auto link = client::connect(party, *lists.bearer, kJoinersListDeadline);
  for (const auto& [kind, list] : {std::pair(&kClientLists, &lists.clients), {&kKeyLists, &lists.keys}}) {
    if (list->empty()) continue;
    const std::string point = "send " + std::string(kind->name) + " to " + party.name;
    fault_point(("before " + point).c_str());
    const std::string path = "/v1/tenants/" + key.tenant() + "/" + std::string(kind->path);
    const auto given = link.put(path, *list);
    fault_point(("after " + point).c_str());
    if (given) continue;
    if (given.error().code() != Code::conflict) return given.error();
    const auto kept = link.get(path);
    if (!kept) return kept.error();
    if (auto good = check_kept_list(*kind, *list, *kept, key, party.name + " agent"); !good) return good;
  }
  return Done{};
}

}  // namespace

Status check_kept_list(const ListKind& kind, ByteView given, ByteView kept, const protocol::Bundle& key,
                       const std::string& who) {
  const protocol::Certificate& ca = key.parameters()->client_ca;
  const auto ours = kind.serial(given, ca);
  const auto theirs = kind.serial(kept, ca);
  if (!ours) return ours.error();
  if (!theirs) return Error(theirs.error()).in(who);
  if (std::ranges::equal(given, kept)) return Done{};
  const std::string keeps = who + " keeps another " + std::string(kind.name) + " than the other agents";
  if (*theirs <= *ours)
    return with_hint(
        Error(Code::conflict, keeps + ": serial " + std::to_string(*theirs) + ", not " +
                                  std::to_string(*ours) + ", which it refuses"),
        "its log says why; a list with a greater serial, which key-state or add-client signs, may "
        "end it. Run this command again then");
  if (&kind != &kKeyLists) return Done{};
  const auto list = protocol::KeyList::parse(kept, ca);
  if (!list) return list.error();
  const auto* const entry = list->find(key.key_id());
  if (entry == nullptr || entry->use != protocol::KeyUse::destroyed) return Done{};
  return with_hint(
      Error(Code::conflict, keeps + ", which destroys this key: serial " + std::to_string(*theirs)),
      "coprotect-provision key-state takes the destruction back; run this command again then");
}

Status complete_handover(const protocol::Bundle& newest, const Completion& completion, const Operator& person,
                         Random& random) {
  const auto& parties = newest.parameters()->parties;
  protocol::RetireRequest retire{.version = newest.newest(), .acknowledgements = {}};
  person.progress("all holders begin to use the shares of epoch " + std::to_string(newest.epoch()));
  std::vector<std::unique_ptr<HolderAgent>> joined;
  for (const NewHolder& agent : completion.agents) {
    const auto said = agent.holder != nullptr ? agent.holder->activate(newest.newest())
                                              : agent.invited->activate_handed_over(newest);
    if (!said) return said.error();
    const auto party = newest.parameters().position_of(agent.name());
    if (!party || !protocol::verify_acknowledgement(parties[*party].identity_key, newest.sharing().sid,
                                                    newest.newest_hash(), *said))
      return Error(Code::bad_proof, agent.name() + " agent acknowledges something else");
    retire.acknowledgements.push_back({parties[*party].identity_key.bytes(), *said});
    if (agent.holder != nullptr) continue;
    if (auto given = give_lists(parties[*party], newest, completion.lists); !given) return given;
    if (completion.lists.bearer != nullptr)
      joined.push_back(
          std::make_unique<HolderAgent>(newest, parties[*party], *completion.lists.bearer, random));
  }
  if (completion.keep)
    if (auto kept = completion.keep(retire); !kept) return kept;
  // Agents that joined come first. They have nothing to erase. Until one has seen the acknowledgements, it
  // undoes the epoch on one agent's word, though the others may have erased the epoch before.
  std::vector<HolderAgent*> staying;
  for (const auto& agent : joined) staying.push_back(agent.get());
  for (const NewHolder& agent : completion.agents)
    if (agent.holder != nullptr) staying.push_back(agent.holder);
  return retire_all(retire, staying, completion.leaving, person);
}

// One agent's answer must not keep the acknowledgements from the others.
Status retire_all(const protocol::RetireRequest& request, std::span<HolderAgent* const> staying,
                  std::span<HolderAgent* const> leaving, const Operator& person) {
  person.progress("all erase the shares of the epoch before");
  Status status = Done{};
  const auto kept_by = [](const HolderAgent& agent, const Error& why) {
    return agent.name() + " agent keeps shares of an older epoch, or may go back to it: " + why.message();
  };
  for (HolderAgent* const agent : staying)
    if (auto erased = agent->retire(request); !erased && status)
      status = Error(Code::unavailable, kept_by(*agent, erased.error()));
  for (HolderAgent* const agent : leaving)
    if (auto erased = agent->retire(request); !erased) person.warn(kept_by(*agent, erased.error()));
  return status;
}

Status abort_handover(const HandoverPlan& plan, std::span<HolderAgent* const> holders,
                      std::span<InvitedAgent* const> invited) {
  protocol::AbortRequest request{.plan = plan.encoded(), .voids = {}};
  std::optional<Error> last;
  for (InvitedAgent* const agent : invited) {
    const auto said = agent->abort_handover(plan);
    if (said)
      request.voids.push_back({agent->invitation().identity_certificate.key().bytes(), *said});
    else
      last = said.error();
  }
  // A party that confirmed waits for another's statement.
  std::vector<HolderAgent*> waiting(holders.begin(), holders.end());
  for (int round = 0; round < 2; ++round) {
    last.reset();
    std::vector<HolderAgent*> still;
    for (HolderAgent* const agent : waiting) {
      const auto said = agent->abort(request);
      if (said) {
        request.voids.push_back({agent->party().identity_key.bytes(), *said});
      } else {
        still.push_back(agent);
        last = said.error();
      }
    }
    waiting = std::move(still);
  }
  if (!waiting.empty()) return *last;
  return Done{};
}

}  // namespace coprotect::provisioning
