#pragma once

#include "protocol/base/bytes.h"
#include "protocol/base/random.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

// RFC 9180 base mode, single shot: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.

using HpkePublicKey = ByteArray<65>;  // uncompressed point

class HpkePrivateKey {
 public:
  static HpkePrivateKey generate(Random& random);
  // scalar: 32 bytes, big-endian, 1..n−1.
  static Result<HpkePrivateKey> from_scalar(ByteView scalar);
  // DeriveKeyPair of RFC 9180 §7.1.3. The same input, of at least 32 bytes of entropy, gives the same key.
  static HpkePrivateKey derive(ByteView ikm);

  const HpkePublicKey& public_key() const { return public_key_; }
  const Secret& scalar() const { return scalar_; }

  // Opens enc (65) ‖ ciphertext ‖ tag (16). Code::altered if it was not sealed to this key with this info and
  // aad.
  Result<Secret> open(ByteView sealed, ByteView info, ByteView aad) const;

 private:
  HpkePrivateKey(Secret scalar, const HpkePublicKey& public_key)
      : scalar_(std::move(scalar)), public_key_(public_key) {}
  Secret scalar_;
  HpkePublicKey public_key_;
};

// Whether the bytes are an uncompressed point on P-256 other than infinity.
bool is_hpke_public_key(ByteView bytes);

// enc (65) ‖ ciphertext ‖ tag (16). Code::malformed if `to` is not a valid key.
Result<Bytes> hpke_seal(const HpkePublicKey& to, ByteView info, ByteView aad, ByteView plaintext,
                        Random& random);
// Like hpke_seal(), with an ephemeral key that the caller uses only once.
Result<Bytes> hpke_seal_with(const HpkePrivateKey& ephemeral, const HpkePublicKey& to, ByteView info,
                             ByteView aad, ByteView plaintext);

}  // namespace coprotect::protocol
