#pragma once

#include <string>

#include "protocol/crypto/ecdsa.h"
#include "protocol/crypto/hpke.h"

namespace coprotect::protocol {

// What an organisation says of one of its parties: that it runs the agent, or that it keeps the recovery
// code.
enum class OrganisationKind : std::uint8_t { agent = 1, recovery = 2 };

// An organisation's signature over the key of one of its parties (SPEC.md §5.1): the identity key of an
// agent, or the recovery key that the organisation's code opens. An organisation is a P-256 key: a company's
// is its client CA's, a provider's is its own. Parties of one organisation count as one when people judge who
// can use a key. Valid if it exists: the signature holds.
class OrganisationCertificate {
 public:
  // Code::malformed unless `name` is 1 to 64 printable ASCII characters.
  static Result<OrganisationCertificate> issue(OrganisationKind kind, std::string name,
                                               const SigningKey& organisation, const VerifyKey& certified);
  // Of a recovery key. Code::malformed, too, if that is not a point on P-256.
  static Result<OrganisationCertificate> issue_recovery(std::string name, const SigningKey& organisation,
                                                        const HpkePublicKey& recovery_key);
  // Code::malformed for another form, Code::unauthenticated if the signature does not hold.
  static Result<OrganisationCertificate> parse(ByteView encoded);

  OrganisationKind kind() const { return kind_; }
  // What the organisation calls itself. A claim: two organisations may have one name.
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

// What people compare and tools print, whole: SHA-256 of the organisation's key.
Digest organisation_fingerprint(const PublicKeyBytes& organisation_key);
// The same point as an ECDSA key (SEC 1 §2.3.3): how a certificate names a recovery key.
PublicKeyBytes compressed_point(const HpkePublicKey& key);
bool valid_organisation_name(std::string_view name);

}  // namespace coprotect::protocol
