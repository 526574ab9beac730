#pragma once

#include <string>
#include <vector>

#include "provisioning/handover/opened_kit.h"

namespace coprotect::provisioning {

// With a known code, opens the newest epoch's recovery parts at every agent that has them, and reports it to
// each agent whose parts opened. Only such a report updates the date at which the agent saw the code open
// (protocol/SPEC.md §12). Returns the names of these agents and warns of every other agent. If there are
// none, the error has the first agent's code. Agents give out no parts of a disabled key, so for such a key
// it only warns and returns no names. `administrator` signs the reports.
Result<std::vector<std::string>> see_code_open(const OpenedKit& code, const protocol::Bundle& newest,
                                               const client::Credentials& administrator,
                                               const Operator& person, Random& random);

// The same error, with advice about a kit that was not installed.
Error keep_both_kits(Error unopened);

// For a run that finishes an earlier one and does not have the code.
void warn_of_unseen_code(const Operator& person);

// The two folders that install a new kit (KeyFolder, OnboardingDirectory) use these. `code` is null if it is
// not known.
template <typename Folder>
Status see_new_code_open(Folder& folder, const OpenedKit* code, const protocol::Bundle& newest,
                         const client::Credentials& administrator, const Operator& person, Random& random) {
  if (code == nullptr) {
    warn_of_unseen_code(person);
    return Done{};
  }
  const auto opened = see_code_open(*code, newest, administrator, person, random);
  if (opened) return Done{};
  if (auto noted = folder.note_unopened(); !noted) return noted;
  return keep_both_kits(opened.error());
}
// For the next run: asks for the committed kit's code if it opened nothing the last time.
template <typename Folder>
Result<std::optional<OpenedKit>> open_again(const Folder& folder, const protocol::RecoveryKit& kit,
                                            const Operator& person) {
  if (!folder.unopened()) return std::optional<OpenedKit>();
  auto opened = OpenedKit::open(kit, person);
  if (!opened) return std::move(opened).error();
  return std::optional(*std::move(opened));
}

}  // namespace coprotect::provisioning
