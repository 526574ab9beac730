#pragma once

#include <filesystem>
#include <string>

#include "protocol/bundle/bundle.h"
#include "protocol/crypto/ecdsa.h"

namespace coprotect::client {

// A key's public half as X.509, CMS and TLS represent it: id-ecPublicKey on P-256 (RFC 5480), or
// dhKeyAgreement with p and g (PKCS #3).
protocol::EvpKey joint_public_key(const protocol::Bundle& bundle);
// The same as SubjectPublicKeyInfo in PEM, for a CA that issues a certificate for it.
std::string joint_public_key_pem(const protocol::Bundle& bundle);
// p, big-endian. Empty for P-256.
Bytes prime_of(const protocol::Bundle& bundle);

// A joint key's certificate, with the fields by which programs look it up, in DER.
struct EncryptionCertificate {
  Bytes der;
  Bytes subject;
  Bytes issuer;
  Bytes serial;
};
// Reads one from PEM or DER. Code::malformed if the file contains none, or one for another key than the
// bundle's. Does not check the issuer: those who encrypt to the certificate do.
Result<EncryptionCertificate> load_encryption_certificate(const std::filesystem::path& file,
                                                          const protocol::Bundle& bundle);

}  // namespace coprotect::client
