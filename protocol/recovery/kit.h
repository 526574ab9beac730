#pragma once

#include "protocol/crypto/ecdsa.h"
#include "protocol/recovery/blob.h"

namespace coprotect::protocol {

// The file that recovers a company together with the code (SPEC.md §8.3). It holds the bundle, the blob, the
// recovery administrator's certificate, and the administrator's key sealed under the code. For the first key
// of a company and each key for files, it also holds the client CA's key. The bundle is kept as bytes;
// bundle/bundle.h verifies it.
class RecoveryKit {
 public:
  static Result<RecoveryKit> parse(ByteView encoded);
  // `client_ca` may be null.
  static RecoveryKit seal(Bytes bundle, const RecoveryBlob& blob, Bytes certificate, const SigningKey& key,
                          const SigningKey* client_ca, const RecoveryKey& recovery_key, Random& random);

  // The administrator's key. Code::altered if the kit is not what was sealed.
  Result<SigningKey> open_key(const RecoveryKey& recovery_key) const;
  // The client CA's key. Code::not_found if the kit has none.
  Result<SigningKey> open_client_ca(const RecoveryKey& recovery_key) const;

  // Whether it holds the client CA's key. Only the code can show that the key opens.
  bool holds_client_ca() const;

  // This kit with a newer bundle.
  RecoveryKit with_bundle(Bytes bundle) const;

  const Bytes& bundle() const { return bundle_; }
  const RecoveryBlob& blob() const { return blob_; }
  const Bytes& certificate() const { return certificate_; }
  Bytes encode() const;

 private:
  // One of the sealed keys, by its position.
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
