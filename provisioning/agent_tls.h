#pragma once

#include <cstdint>

#include "provisioning/agent_identity.h"

namespace coprotect::provisioning {

// Makes a TLS key and a certificate for it, valid for a year and signed by the agent's identity key:
// `tls.key.pem` (0600) and `tls.pem` in the agent's folder.
Status write_tls(const std::filesystem::path& folder, const AgentIdentity& agent, std::int64_t now_ms,
                 Random& random);

}  // namespace coprotect::provisioning
