#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "hsm/keyring.h"
#include "protocol/x509/certificate.h"

namespace coprotect::provisioning {

// The agent that invites.
struct Inviter {
  std::string role;
  std::string url;
  const protocol::Certificate& identity;
  const hsm::Keyring& keyring;
};

// Makes an invitation: its line in the file `invitation` of the agent's folder, to be handed over, and the
// agent's own record of it in `invitations`, wrapped under its keyring.
Status write_invitation(const std::filesystem::path& folder, const Inviter& inviter, std::int64_t now_ms,
                        Random& random);

// Makes a further invitation in a folder that init_agent() made: for a next tenant, or because the first one
// expired.
Status invite(const std::filesystem::path& folder, const std::filesystem::path& token_helper,
              std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
