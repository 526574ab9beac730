#pragma once

#include <filesystem>
#include <optional>

#include "agent/config.h"
#include "agent/custodian/settings.h"
#include "hsm/keyring.h"

namespace coprotect::agent {

// What has to hold before an agent starts, and what it reads then. The start and `coprotect-agent check` ask
// the same questions.

// Who may write there says what the agent is, or takes away or puts back what it wrote. Done if there is no
// such folder.
Status check_folder(const std::filesystem::path& folder);
// The folders of an agent of which that has to hold.
std::vector<std::filesystem::path> own_folders(const Config& config);
// What root's agent writes into its state the agent's own user could not read at the next start.
Status check_user(const std::filesystem::path& state);
// Done if there is no such file: the front sees that, and it may come yet.
Status check_tls_key(const std::filesystem::path& file);

// Who the agent is.
struct OwnIdentity {
  protocol::Certificate certificate;
  // None if the agent is its company's: the client CA certifies it.
  std::optional<protocol::OrganisationCertificate> organisation;
};
// Code::altered if the two are not of one agent.
Result<OwnIdentity> read_identity(const std::filesystem::path& folder);

// The agent's token, which notes a PIN that it refuses. `programs` is the folder of coprotect-token.
hsm::Token token_of(const Config& config, const std::filesystem::path& programs);
// Code::altered if it is not the keyring of this identity.
Result<hsm::Keyring> open_keyring(const Config& config, const hsm::Token& token, const OwnIdentity& identity);
// Without a way to notify anybody.
custodian::Settings settings_of(const Config& config, OwnIdentity identity);

}  // namespace coprotect::agent
