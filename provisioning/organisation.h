#pragma once

#include <filesystem>

#include "protocol/message/invitation.h"
#include "provisioning/ca_key_file.h"
#include "provisioning/credential.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

// A provider's organisation (protocol/SPEC.md §5.1): a name and a key that certifies the provider's agents.
// It lies in a folder of its own, the key sealed under a passphrase as a client CA's is. The folder is needed
// only while an agent is made.
struct OrganisationOptions {
  std::filesystem::path out;
  std::string name;
  std::uint32_t memory_mib = kCaKeyMemoryMib;  // that each try of the passphrase takes
};
// Code::conflict if the folder holds an organisation already.
Status make_organisation(const OrganisationOptions& options, const Operator& person, std::int64_t now_ms,
                         Random& random);

struct Organisation {
  std::string name;
  protocol::SigningKey key;
};
// Asks for the passphrase.
Result<Organisation> open_organisation(const std::filesystem::path& folder, const Operator& person);

// Whose agent an invitation's is: what the invitation says, or the company's, which then certifies it with
// its client CA. Code::denied if the invitation says nothing and the administrator did not name the agent as
// the company's own (`ours`): a provider could pass off an agent as the company's by saying nothing.
Result<protocol::OrganisationCertificate> organisation_of(const protocol::Invitation& invitation,
                                                          const std::string& tenant,
                                                          const protocol::SigningKey* ca_key, bool ours);
// The company's certificate for the key that its recovery code opens.
protocol::OrganisationCertificate certify_recovery(const std::string& tenant,
                                                   const protocol::SigningKey& ca_key,
                                                   const protocol::HpkePublicKey& recovery_key);

}  // namespace coprotect::provisioning
