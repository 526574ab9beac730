#include "provisioning/handover/new_code.h"

#include <iostream>

#include "provisioning/credential.h"
#include "provisioning/handover/code_opening.h"
#include "provisioning/handover/completion.h"
#include "provisioning/handover/draft.h"
#include "provisioning/recovery_sheet.h"
#include "provisioning/registry.h"
#include "provisioning/report.h"

namespace coprotect::provisioning {
namespace {

std::string recovery_uri(const KeyOptions& options, const std::string& tenant) {
  return "coprotect:" + tenant + ":recovery:" + (options.key.empty() ? "recovery" : options.key);
}

// Sees the new code open, removes the old code's recovery administrator from the client list, and installs
// the files. Only after all agents use the new code's epoch. May be repeated.
Status finish(const KeyOptions& options, KeyFolder& folder, Registry& registry, const OpenedKit* code,
              const Operator& person, std::int64_t now_ms, Random& random) {
  const auto kit = folder.committed();
  if (!kit) return kit.error();
  auto certificate = protocol::Certificate::parse_der((*kit)->certificate());
  if (!certificate) return std::move(certificate).error().in("recovery kit");
  auto bundle = protocol::Bundle::parse((*kit)->bundle());
  if (!bundle) return std::move(bundle).error();
  const protocol::Bundle& newest = folder.bundle().extends(*bundle) ? folder.bundle() : *bundle;
  if (auto seen = see_new_code_open(folder, code, newest, folder.administrator(), person, random); !seen)
    return seen;
  auto list = registry.clients();
  if (!list) return std::move(list).error();
  const auto replaced = folder.replaced_administrators(*bundle);
  if (!replaced) return replaced.error();
  for (const Digest& key : *replaced) list->clients.erase(key);
  list->clients.insert_or_assign(certificate->key_hash(), recovery_uri(options, registry.bundle().tenant()));
  if (auto published = registry.publish(*std::move(list), now_ms); !published) return published;
  if (auto installed = folder.install(); !installed) return installed;
  if (!folder.bundle().extends(*bundle))
    if (auto renewed = folder.renew(*bundle); !renewed) return renewed;
  return folder.renew(folder.bundle());
}

void summarize(const KeyFolder& folder) {
  const std::string place = folder.folder().string();
  std::cout << "\nthe recovery key is new, and so are all shares; ";
  print_holders(folder.bundle());
  std::cout << "  print         " << place
            << "/recovery-sheet.txt, write the new code on it and lock it away\n"
            << "  keep apart    " << place << '/' << folder.name() << ".kit, in several copies\n"
            << "  destroy       the old sheet and every copy of the old kit. They open nothing that agents "
               "keep now,\n"
            << "                but what somebody may have copied from an agent before\n"
            << "  clients       learn of it from the agents by themselves\n";
}

}  // namespace

Status new_code(const KeyOptions& options, const Operator& person, std::int64_t now_ms, Random& random) {
  auto registry = Registry::open(options.directory, person, now_ms, random);
  if (!registry) return std::move(registry).error();
  auto folder = KeyFolder::open(options.directory, options.key);
  if (!folder) return std::move(folder).error();
  auto holders = settled_holders(*folder, {}, person, random);
  if (!holders) return std::move(holders).error();
  // The present state: what was undone meanwhile is set aside.
  auto committed = folder->committed();
  if (!committed) return std::move(committed).error();
  if (*committed) {
    if (!holders->confirmed())
      return with_hint(Error(Code::unavailable,
                             "the agents do not show that all of them use the new code of "
                             "an earlier run: the old kit and its code stay in place"),
                       "run the command again once all agents answer");
    person.progress(
        "an earlier run made the new code, finishing what it left. The code that it showed is valid");
    const auto code = open_again(*folder, **committed, person);
    if (!code) return code.error();
    const OpenedKit* const in_hand = *code ? &**code : nullptr;
    if (auto finished = finish(options, *folder, *registry, in_hand, person, now_ms, random); !finished)
      return finished;
    summarize(*folder);
    return Done{};
  }

  auto administrator =
      new_client({recovery_uri(options, folder->bundle().tenant())}, recovery_end_ms(registry->ca(), now_ms),
                 registry->ca(), registry->ca_key(), now_ms, random);
  if (!administrator) return std::move(administrator).error();
  NewRecovery recovery(administrator->key, person, random);
  HandoverOrder order{.t = holders->bundle().parameters()->t,
                      .agents = {},
                      .dealers = {},
                      .recovery_dealer = std::nullopt,
                      .new_recovery = &recovery,
                      .blob = {},
                      .ca_key = &registry->ca_key(),
                      .wait = std::chrono::seconds(options.wait_seconds)};
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
  const bool restores = options.key.empty() || next->fields().purpose == protocol::Purpose::envelope;
  const protocol::SigningKey* const ca = restores ? &registry->ca_key() : nullptr;
  const auto kit = protocol::RecoveryKit::seal(handover.next().encoded(), recovery.blob(),
                                               administrator->certificate.der(), administrator->key, ca,
                                               recovery.recovery_key(), random);
  // After the commit others may complete the handover, and in the new epoch agents accept only this recovery
  // administrator. The present epoch's recovery administrator stays enrolled beside it until finish().
  if (auto enrolled = registry->enrol_recovery(kit, now_ms); !enrolled) return enrolled;
  if (auto done = folder->commit(kit, recovery_sheet(handover.next(), folder->name() + ".kit", now_ms));
      !done)
    return done;
  const Completion completion{
      .agents = agents, .leaving = {}, .lists = {}, .keep = folder->keeps_acknowledgements()};
  if (auto done = complete_handover(handover.next(), completion, person, random); !done) return done;
  const auto code = OpenedKit::with(kit, std::move(recovery).opened());
  if (!code) return code.error();
  if (auto finished = finish(options, *folder, *registry, &*code, person, now_ms, random); !finished)
    return finished;
  summarize(*folder);
  return Done{};
}

}  // namespace coprotect::provisioning
