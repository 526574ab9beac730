#include "agent/custodian/conditions.h"

#include <algorithm>

#include "protocol/base/text.h"

namespace coprotect::agent::custodian {
namespace {

std::string text_of_condition(const std::string& problem) {
  const std::string text = printable(problem);
  return std::string(beginning_of(text, protocol::kMaxConditionText));
}

}  // namespace

bool Conditions::is_erased(const Key& key) const {
  if (!key.erased()) return false;
  const auto transaction = store_.begin();
  if (!transaction) return false;
  return std::ranges::none_of(keys_.epochs_due(*transaction),
                              [&](const hsm::EpochId& epoch) { return epoch.key_id == key.key_id(); });
}

Conditions::Condition Conditions::of(const Key& key) const {
  Condition condition;
  const auto held = held_.state_of(key.key_id());
  condition.erased = is_erased(key);
  condition.erasure_held = !condition.erased && (held.held || held.unverified);
  condition.erasure = text_of_condition(held.problem);
  if (contacts_.fail(key.key_id()))
    condition.contacts = "the notification command failed: the contacts could not be told of an event yet";
  const auto parts = parts_checks_.of(key);
  if (!parts || key.erased()) return condition;
  condition.parts_verified_ms = parts->verified_ms;
  condition.code_opened_ms = drills_.code_opened_ms(key.key_id());
  condition.recovery = text_of_condition(parts->problem);
  if (!clients_.recovery_enrolled(key))
    condition.recovery = "key " + to_hex(key.key_id()) +
                         ": its recovery administrator is not enrolled: its kit and code open nothing";
  return condition;
}

}  // namespace coprotect::agent::custodian
