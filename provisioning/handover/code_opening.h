#pragma once

#include <string>
#include <vector>

#include "provisioning/handover/opened_kit.h"

namespace coprotect::provisioning {

// Opens, with a code that is in hand, the recovery parts of the newest epoch at every agent that has them,
// and reports it to each agent where they opened: only that moves the date at which the agent saw the code
// open (protocol/SPEC.md §12). The names of these agents; of any other it warns. If there are none, the error
// has the first agent's code; but of a key that is disabled agents give nobody these parts, so there it only
// warns, and there are no names. `administrator` signs the reports.
Result<std::vector<std::string>> see_code_open(const OpenedKit& code, const protocol::Bundle& newest,
                                               const client::Credentials& administrator,
                                               const Operator& person, Random& random);

// The same error, with what to do about a kit that is not put in its place.
Error keep_both_kits(Error unopened);

// For a run that finishes what an earlier one left, and has no code in hand.
void warn_of_unseen_code(const Operator& person);

// The two folders that put a new kit in its place (KeyFolder, OnboardingDirectory) do so through these.
// `code` is null if it is not in hand.
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
// For the next run: asks for the code of the kit that is committed if it opened nothing the last time.
template <typename Folder>
Result<std::optional<OpenedKit>> open_again(const Folder& folder, const protocol::RecoveryKit& kit,
                                            const Operator& person) {
  if (!folder.unopened()) return std::optional<OpenedKit>();
  auto opened = OpenedKit::open(kit, person);
  if (!opened) return std::move(opened).error();
  return std::optional(*std::move(opened));
}

}  // namespace coprotect::provisioning
