#pragma once

#include <cstdint>

#include "provisioning/agent_identity.h"

namespace coprotect::provisioning {

// Makes an invitation: its line in the file `invitation` of the agent's folder, to be handed over, and the
// agent's own record of it in `invitations` of its state, wrapped under its keyring.
// With a tenant it is for that one alone: otherwise whoever gets it may take any tenant's name that is free
// at the agent.
Status write_invitation(const std::filesystem::path& folder, const AgentIdentity& agent, std::int64_t now_ms,
                        Random& random, const std::string& tenant = {});

}  // namespace coprotect::provisioning
