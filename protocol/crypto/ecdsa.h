#pragma once

#include <openssl/evp.h>

#include "protocol/base/bytes.h"
#include "protocol/base/owned.h"
#include "protocol/base/random.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

using EvpKey = Owned<EVP_PKEY, EVP_PKEY_free>;
using PublicKeyBytes = ByteArray<33>;  // compressed P-256 point
using Signature = ByteArray<64>;       // r ‖ s

// Whether the bytes are a canonical compressed point on the curve, as VerifyKey::parse() requires.
bool is_ecdsa_public_key(ByteView bytes);

// A P-256 public key for ECDSA (SPEC.md §1).
class VerifyKey {
 public:
  // Rejects anything but a canonical compressed point on the curve.
  static Result<VerifyKey> parse(ByteView compressed);
  // Rejects keys that are not P-256, or that spell out the curve's parameters.
  static Result<VerifyKey> from_evp(EVP_PKEY* key);

  // Whether the signature is valid for this digest and s ≤ (n−1)/2, so that a relay cannot make a second
  // valid one.
  bool verify(const Digest& digest, ByteView signature) const;
  const PublicKeyBytes& bytes() const { return bytes_; }
  EVP_PKEY* evp() const { return key_.get(); }

  VerifyKey(const VerifyKey& other);
  VerifyKey& operator=(const VerifyKey& other);
  VerifyKey(VerifyKey&&) noexcept = default;
  VerifyKey& operator=(VerifyKey&&) noexcept = default;
  friend bool operator==(const VerifyKey& a, const VerifyKey& b) { return a.bytes_ == b.bytes_; }

 private:
  VerifyKey(EvpKey key, const PublicKeyBytes& bytes) : key_(std::move(key)), bytes_(bytes) {}
  EvpKey key_;
  PublicKeyBytes bytes_;
};

// A P-256 private key for ECDSA.
class SigningKey {
 public:
  static SigningKey generate(Random& random);
  // scalar: 32 bytes, big-endian, 1..n−1.
  static Result<SigningKey> from_scalar(ByteView scalar);
  // PKCS#8 or SEC 1 in PEM, unencrypted.
  static Result<SigningKey> from_pem(ByteView pem);
  // Encrypted PKCS#8 in PEM (RFC 5958 §3). Code::wrong_code if the passphrase does not decrypt it.
  static Result<SigningKey> from_encrypted_pem(ByteView pem, const Secret& passphrase);
  // Makes OpenSSL load, and keep, the code and data with which it reads keys. Call it before a sandbox
  // closes, or outside a KeyScope.
  static void prepare();
  // Whether a PEM file holds an encrypted PKCS#8 key. Does not check that the key is valid.
  static bool is_encrypted_pem(ByteView pem);

  // With s ≤ (n−1)/2.
  Signature sign(const Digest& digest) const;
  const VerifyKey& public_key() const { return public_key_; }
  Secret scalar() const;
  // PKCS#8 PEM, unencrypted.
  Secret to_pem() const;
  EVP_PKEY* evp() const { return key_.get(); }

 private:
  SigningKey(EvpKey key, VerifyKey public_key) : key_(std::move(key)), public_key_(std::move(public_key)) {}
  EvpKey key_;
  VerifyKey public_key_;
};

}  // namespace coprotect::protocol
