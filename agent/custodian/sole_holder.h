#pragma once

#include <algorithm>

#include "agent/custodian/settings.h"
#include "protocol/dkg/parameters.h"

namespace coprotect::agent::custodian {

// Code::denied if one party alone would hold enough shares to use the key. The tool chooses the parties, and
// such a key would be split in name only. This agent may be that party if its operator allows it.
inline Status check_that_nobody_suffices(const Settings& settings, const protocol::Parameters& parameters) {
  const auto self = parameters.position_of(settings.identity_certificate.key());
  const auto& parties = parameters->parties;
  for (std::size_t i = 0; i < parties.size(); ++i) {
    const bool allowed = self == i && settings.allow_sole_holder;
    if (allowed || parties[i].indices.size() < parameters->t) continue;
    std::string text = "parameters: " + protocol::party_label(parties[i]) + " would hold " +
                       std::to_string(parties[i].indices.size()) + " of the " +
                       std::to_string(parameters->t) + " shares that suffice";
    if (self == i) text += "; its operator can allow that ([policy] sole_holder = true in agent.toml)";
    return Error(Code::denied, std::move(text));
  }
  return Done{};
}

// Code::denied if more agents would hold shares of a new key than this agent's operator allows. The tool
// chooses the parties, and nobody consents to them as in a handover: an extra agent of the tool's own, beside
// the two known ones, would form a quorum with the recovery share.
inline Status check_agents_of_new_key(const Settings& settings, const protocol::Parameters& parameters) {
  const auto agents = std::ranges::count_if(parameters->parties, &protocol::Party::is_agent);
  if (agents <= settings.agents_of_new_keys) return Done{};
  return Error(Code::denied, "parameters: " + std::to_string(agents) +
                                 " agents would hold the new key, and " +
                                 std::to_string(settings.agents_of_new_keys) +
                                 " are allowed here ([policy] agents_of_new_keys in agent.toml)");
}

}  // namespace coprotect::agent::custodian
