#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "hsm/keyring.h"
#include "protocol/dkg/organisation.h"
#include "protocol/x509/certificate.h"

namespace coprotect::provisioning {

// Who an agent is: what its folder says, and the keyring that its token opens.
struct AgentIdentity {
  std::string role;
  std::string url;
  protocol::Certificate certificate;
  // Whose agent it is; without it the company's that onboards it.
  std::optional<protocol::OrganisationCertificate> organisation;
  hsm::Keyring keyring;
  hsm::Token token;  // under the name that the keyring knows

  // Opens a folder that init_agent() made.
  static Result<AgentIdentity> open(const std::filesystem::path& folder,
                                    const std::filesystem::path& token_helper);
};

}  // namespace coprotect::provisioning
