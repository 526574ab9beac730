#pragma once

#include <filesystem>

#include "protocol/message/invitation.h"
#include "provisioning/ca_key_file.h"
#include "provisioning/credential.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

// A provider's organisation (protocol/SPEC.md §5.1): a name, and a key that certifies the provider's agents.
// It has its own folder, in which a passphrase seals the key, as for a client CA. The folder is needed only
// when an agent is made.
struct OrganisationOptions {
  std::filesystem::path out;
  std::string name;
  std::uint32_t memory_mib = kCaKeyMemoryMib;  // for each guess of the passphrase
};
// Code::conflict if the folder already contains an organisation.
Status make_organisation(const OrganisationOptions& options, const Operator& person, std::int64_t now_ms,
                         Random& random);

struct Organisation {
  std::string name;
  protocol::SigningKey key;
};
// Asks for the passphrase.
Result<Organisation> open_organisation(const std::filesystem::path& folder, const Operator& person);

// The organisation of an invitation's agent: the one in the invitation, or else the company, which certifies
// the agent with its client CA. Code::denied if the invitation names none and the administrator did not name
// the agent as the company's own (`ours`). Otherwise a provider could pass off its agent as the company's by
// naming none.
Result<protocol::OrganisationCertificate> organisation_of(const protocol::Invitation& invitation,
                                                          const std::string& tenant,
                                                          const protocol::SigningKey* ca_key, bool ours);
// The company's certificate for the key that its recovery code opens.
protocol::OrganisationCertificate certify_recovery(const std::string& tenant,
                                                   const protocol::SigningKey& ca_key,
                                                   const protocol::HpkePublicKey& recovery_key);

}  // namespace coprotect::provisioning
