#include "provisioning/handover/code_opening.h"

#include "protocol/message/drill_signature.h"
#include "protocol/message/key_list.h"
#include "provisioning/clock.h"
#include "provisioning/report.h"
#include "provisioning/signed_lists.h"

namespace coprotect::provisioning {
namespace {

constexpr std::chrono::seconds kReportDeadline{30};

Status report_opening(const OpenedKit& code, const protocol::Bundle& newest, const protocol::Party& party,
                      const client::Credentials& administrator, Random& random) {
  protocol::DrillReportBody report{.time_ms = now_ms(), .evidence = {}, .passed = 0, .failed = 0};
  const auto proof = protocol::prove_code_opened(newest.sharing().sid, report, code.blob.hpke);
  report.proof.assign(proof.begin(), proof.end());
  const auto told = SignedLink(newest, party, administrator, kReportDeadline)
                        .ask("drill-report", report, "recovery code opened", random);
  if (!told) return told.error();
  return Done{};
}

// According to the newest list at an agent, which the client CA signed.
bool is_disabled(const protocol::Bundle& newest, const client::Credentials& administrator) {
  const auto list =
      SignedLists(kKeyLists, newest, {administrator.certificate}, administrator.key).newest(std::nullopt);
  if (!list) return false;
  const auto keys = protocol::KeyList::parse(*list, newest.parameters()->client_ca);
  if (!keys) return false;
  const auto* const entry = keys->find(newest.key_id());
  return entry != nullptr && entry->use == protocol::KeyUse::disabled;
}

}  // namespace

Result<std::vector<std::string>> see_code_open(const OpenedKit& code, const protocol::Bundle& newest,
                                               const client::Credentials& administrator,
                                               const Operator& person, Random& random) {
  person.progress("opening the recovery parts of every agent with the code");
  std::vector<std::string> names;
  Failures failures;
  for (const protocol::Party& party : newest.parameters()->parties) {
    if (!party.is_agent()) continue;
    HolderAgent agent(newest, party, code.administrator, random);
    if (const auto share = code.share_of(newest, agent); !share) {
      person.warn("the code was not seen to open the recovery parts of the " + party.name +
                  " agent: " + share.error().message());
      failures.add(share.error());
      continue;
    }
    names.push_back(party.name);
    if (auto told = report_opening(code, newest, party, administrator, random); !told)
      person.warn("the " + party.name +
                  " agent could not be told that the code opened: " + told.error().message());
  }
  if (!names.empty()) return names;
  if (is_disabled(newest, administrator)) {
    person.warn(
        "the key is disabled, and agents give nobody its recovery parts: coprotect-provision drill --kit "
        "shows that the code opens them, once the key is decrypt-only again");
    return names;
  }
  const Error all = failures.status().error();
  return Error(all.code(), "the code was not seen to open any agent's recovery parts: " + all.message());
}

Error keep_both_kits(Error unopened) {
  return with_hint(std::move(unopened),
                   "no kit was replaced: keep the kit and the code of before beside the new ones, have the "
                   "agents' operators look at their agents, and run the same command again. It asks for the "
                   "code");
}

void warn_of_unseen_code(const Operator& person) {
  person.warn(
      "this run has no code in hand, so nobody has seen the code open what agents keep in this epoch: run "
      "coprotect-provision drill --kit");
}

}  // namespace coprotect::provisioning
