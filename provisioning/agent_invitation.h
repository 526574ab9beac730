#pragma once

#include <cstdint>

#include "provisioning/agent_identity.h"

namespace coprotect::provisioning {

// Makes an invitation. Its line, to be handed over, is in the file `invitation` of the agent's folder. The
// agent's own record of it is in `invitations` of its state, wrapped under its keyring. With a tenant it is
// for that tenant only. Otherwise its holder may take any tenant name that is free at the agent.
Status write_invitation(const std::filesystem::path& folder, const AgentIdentity& agent, std::int64_t now_ms,
                        Random& random, const std::string& tenant = {});

}  // namespace coprotect::provisioning
