#pragma once

#include <string>

#include "protocol/crypto/ecdsa.h"
#include "protocol/crypto/hpke.h"

namespace coprotect::protocol {

// What an organisation certifies about one of its parties: that it runs the agent, or that it keeps the
// recovery code.
enum class OrganisationKind : std::uint8_t { agent = 1, recovery = 2 };

// An organisation's signature over the key of one of its parties (SPEC.md §5.1): an agent's identity key, or
// the recovery key that the organisation's code opens. An organisation is a P-256 key. A company uses its
// client CA's key, a provider its own. People who judge who can use a key count the parties of one
// organisation as one. An object exists only if its signature is valid.
class OrganisationCertificate {
 public:
  // Code::malformed unless `name` is 1 to 64 printable ASCII characters.
  static Result<OrganisationCertificate> issue(OrganisationKind kind, std::string name,
                                               const SigningKey& organisation, const VerifyKey& certified);
  // For a recovery key. Code::malformed also if that is not a point on P-256.
  static Result<OrganisationCertificate> issue_recovery(std::string name, const SigningKey& organisation,
                                                        const HpkePublicKey& recovery_key);
  // Code::malformed for a malformed encoding, Code::unauthenticated if the signature is invalid.
  static Result<OrganisationCertificate> parse(ByteView encoded);

  OrganisationKind kind() const { return kind_; }
  // The name that the organisation claims. Two organisations may claim the same name.
  const std::string& name() const { return name_; }
  const PublicKeyBytes& organisation_key() const { return organisation_key_; }
  const PublicKeyBytes& certified_key() const { return certified_key_; }
  const Bytes& encoded() const { return encoded_; }

  friend bool operator==(const OrganisationCertificate& a, const OrganisationCertificate& b) {
    return a.encoded_ == b.encoded_;
  }

 private:
  OrganisationCertificate(OrganisationKind kind, std::string name, const PublicKeyBytes& organisation_key,
                          const PublicKeyBytes& certified_key, Bytes encoded)
      : kind_(kind),
        name_(std::move(name)),
        organisation_key_(organisation_key),
        certified_key_(certified_key),
        encoded_(std::move(encoded)) {}
  OrganisationKind kind_;
  std::string name_;
  PublicKeyBytes organisation_key_;
  PublicKeyBytes certified_key_;
  Bytes encoded_;
};

// SHA-256 of the organisation's key. People compare it and tools print it, always in full.
Digest organisation_fingerprint(const PublicKeyBytes& organisation_key);
// The same point as an ECDSA key (SEC 1 §2.3.3). A certificate names a recovery key in this form.
PublicKeyBytes compressed_point(const HpkePublicKey& key);
bool valid_organisation_name(std::string_view name);

}  // namespace coprotect::protocol
