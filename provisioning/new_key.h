#pragma once

#include <span>

#include "provisioning/handover/opened_kit.h"
#include "provisioning/invited_agent.h"
#include "provisioning/onboard.h"
#include "provisioning/onboarding_directory.h"

namespace coprotect::provisioning {

// An onboarding up to and including its commit point. Asks for the secrets, clears what earlier runs left at
// the agents, runs the ceremony, and stages everything needed afterwards before it writes the tool's
// signature. Returns the kit, opened with the retyped code.
Result<OpenedKit> make_key(const OnboardOptions& options, OnboardingDirectory& directory,
                           std::span<InvitedAgent> agents, const Operator& person, std::int64_t now_ms,
                           Random& random);

}  // namespace coprotect::provisioning
