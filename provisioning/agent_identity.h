#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "hsm/keyring.h"
#include "protocol/dkg/organisation.h"
#include "protocol/x509/certificate.h"

namespace coprotect::provisioning {

// An agent's identity: the contents of its folder, and the keyring that its token opens.
struct AgentIdentity {
  std::string role;
  std::string url;
  protocol::Certificate certificate;
  // The organisation that runs it. Without one, the company that onboards it does.
  std::optional<protocol::OrganisationCertificate> organisation;
  hsm::Keyring keyring;
  hsm::Token token;  // under the name in the keyring

  // Opens a folder that init_agent() made. If the token refuses a PIN, that is recorded in the folder's
  // state, or in `refused_pin` if the folder is removed after a failure. If root calls it, the token is used
  // as the user who owns the folder, or who owns `of`, from which the folder was copied: that user chose its
  // contents.
  static Result<AgentIdentity> open(const std::filesystem::path& folder,
                                    const std::filesystem::path& token_helper,
                                    const std::filesystem::path& refused_pin = {},
                                    const std::filesystem::path& of = {});
};

// Where a command that makes an agent's folder records that the token refused the PIN: beside the folder,
// because a failed command removes the folder. The next run does not try that PIN again.
std::filesystem::path refused_pin_beside(const std::filesystem::path& folder);

// The fingerprints that other parties' operators compare before this agent joins a key: those of its identity
// key and of its organisation, each with a title, as `approve` shows them.
Result<std::string> fingerprints_in(const std::filesystem::path& folder);

}  // namespace coprotect::provisioning
