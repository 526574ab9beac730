#pragma once

#include <span>

#include "provisioning/handover/opened_kit.h"
#include "provisioning/invited_agent.h"
#include "provisioning/onboard.h"
#include "provisioning/onboarding_directory.h"

namespace coprotect::provisioning {

// Everything of an onboarding up to its commit point, and the commit: asks for the secrets, settles what
// earlier runs left at the agents, holds the ceremony, and stages all that is needed afterwards before the
// tool's signature is written. The kit, opened with the code that was retyped.
Result<OpenedKit> make_key(const OnboardOptions& options, OnboardingDirectory& directory,
                           std::span<InvitedAgent> agents, const Operator& person, std::int64_t now_ms,
                           Random& random);

}  // namespace coprotect::provisioning
