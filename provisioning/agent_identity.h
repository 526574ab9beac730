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

  // Opens a folder that init_agent() made. A PIN that the token refuses is noted in the folder's state, or in
  // `refused_pin` if the folder is one that goes when this fails. If root asks, the token is used as the user
  // who owns the folder, or `of`, what it was copied from: that user chose what is in it.
  static Result<AgentIdentity> open(const std::filesystem::path& folder,
                                    const std::filesystem::path& token_helper,
                                    const std::filesystem::path& refused_pin = {},
                                    const std::filesystem::path& of = {});
};

// Where a command that makes an agent's folder notes that the token refused the PIN: beside the folder, since
// what it made there is removed when it fails. The next run of the command does not try that PIN again.
std::filesystem::path refused_pin_beside(const std::filesystem::path& folder);

// What other parties' operators compare when this agent is to join a key: the fingerprints of its identity
// key and of its organisation, each with a title, as `approve` shows them.
Result<std::string> fingerprints_in(const std::filesystem::path& folder);

}  // namespace coprotect::provisioning
