#pragma once

#include "agent/custodian/settings.h"
#include "protocol/dkg/parameters.h"

namespace coprotect::agent::custodian {

// Code::denied if this agent alone would hold enough shares to use the key, and its operator has not said
// that it may: whoever breaks into it has the key.
inline Status check_sole_holder(const Settings& settings, const protocol::Parameters& parameters) {
  const auto self = parameters.position_of(settings.identity_certificate.key());
  if (!self || settings.allow_sole_holder) return Done{};
  const std::size_t held = parameters->parties[*self].indices.size();
  if (held < parameters->t) return Done{};
  return Error(Code::denied,
               "this agent alone would hold " + std::to_string(held) + " shares, of which " +
                   std::to_string(parameters->t) +
                   " open everything: its operator has to allow it ([policy] sole_holder = true "
                   "in agent.toml)");
}

}  // namespace coprotect::agent::custodian
