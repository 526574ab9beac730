#include "provisioning/handover/completion.h"

#include "protocol/base/fault.h"
#include "protocol/handover/statements.h"

namespace coprotect::provisioning {
namespace {

using protocol::HandoverPlan;
using protocol::Party;

constexpr std::chrono::seconds kJoinersListDeadline{30};

// To an agent that has only now learnt of the tenant. An invitation is good for the ceremony alone: the
// administrator brings the lists. One that is there already, or a newer one, is as good.
Status give_lists(const Party& party, const std::string& tenant, const TenantLists& lists) {
  if (lists.bearer == nullptr) return Done{};
  auto link = client::connect(party, *lists.bearer, kJoinersListDeadline);
  for (const auto& [kind, list] : {std::pair(&kClientLists, &lists.clients), {&kKeyLists, &lists.keys}}) {
    if (list->empty()) continue;
    const std::string point = "send " + std::string(kind->name) + " to " + party.name;
    fault_point(("before " + point).c_str());
    const auto given = link.put("/v1/tenants/" + tenant + "/" + std::string(kind->path), *list);
    fault_point(("after " + point).c_str());
    if (!given && given.error().code() != Code::conflict) return given.error();
  }
  return Done{};
}

}  // namespace

Status complete_handover(const protocol::Bundle& newest, const Completion& completion,
                         const Operator& person) {
  const auto& parties = newest.parameters()->parties;
  protocol::RetireRequest retire{.version = newest.newest(), .acknowledgements = {}};
  person.progress("all holders begin to use the shares of epoch " + std::to_string(newest.epoch()));
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
    if (auto given = give_lists(parties[*party], newest.tenant(), completion.lists); !given) return given;
  }
  person.progress("all erase the shares of the epoch before");
  for (const NewHolder& agent : completion.agents)
    if (agent.holder != nullptr)
      if (auto erased = agent.holder->retire(retire); !erased) return erased;
  for (HolderAgent* const agent : completion.leaving)
    if (auto erased = agent->retire(retire); !erased)
      person.warn(agent->name() + " agent keeps shares of an older epoch: " + erased.error().message());
  return Done{};
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
  // Whoever confirmed waits for another's word.
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
