#pragma once

#include "protocol/crypto/ecdsa.h"
#include "protocol/recovery/blob.h"

namespace coprotect::protocol {

// The file that recovers a company together with the code (SPEC.md §8.3): bundle, blob, and the recovery
// administrator's certificate with its key sealed under the code, and for the first key of a company and each
// key for files also the key of its client CA. The bundle is kept as bytes; bundle/bundle.h verifies it.
class RecoveryKit {
 public:
  static Result<RecoveryKit> parse(ByteView encoded);
  // `client_ca` may be null.
  static RecoveryKit seal(Bytes bundle, const RecoveryBlob& blob, Bytes certificate, const SigningKey& key,
                          const SigningKey* client_ca, const RecoveryKey& recovery_key, Random& random);

  // The administrator's key. Code::altered if the kit is not the one that was sealed.
  Result<SigningKey> open_key(const RecoveryKey& recovery_key) const;
  // The client CA's. Code::not_found if the kit has none.
  Result<SigningKey> open_client_ca(const RecoveryKey& recovery_key) const;

  // Whether it holds the client CA's key. That it opens, only its code shows.
  bool holds_client_ca() const;

  // The same kit with a newer bundle.
  RecoveryKit with_bundle(Bytes bundle) const;

  const Bytes& bundle() const { return bundle_; }
  const RecoveryBlob& blob() const { return blob_; }
  const Bytes& certificate() const { return certificate_; }
  Bytes encode() const;

 private:
  // One of the sealed keys, by its place.
  Result<SigningKey> open_key_at(const RecoveryKey& recovery_key, std::size_t place) const;
  RecoveryKit(Bytes bundle, RecoveryBlob blob, Bytes certificate)
      : bundle_(std::move(bundle)), blob_(std::move(blob)), certificate_(std::move(certificate)) {}
  Bytes bundle_;
  RecoveryBlob blob_;
  Bytes certificate_;
  ByteArray<12> nonce_{};
  Bytes sealed_keys_;
};

}  // namespace coprotect::protocol
