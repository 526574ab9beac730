#pragma once

#include "protocol/crypto/ecdsa.h"
#include "protocol/recovery/blob.h"

namespace coprotect::protocol {

// The file that recovers a company together with the code (SPEC.md §8.3): bundle, blob, and the recovery
// administrator's certificate with its key sealed under the code. The bundle is kept as bytes;
// message/bundle.h verifies it.
class RecoveryKit {
 public:
  static Result<RecoveryKit> parse(ByteView encoded);
  static RecoveryKit seal(Bytes bundle, const RecoveryBlob& blob, Bytes certificate, const SigningKey& key,
                          const RecoveryKey& recovery_key, Random& random);

  // The administrator's key. Code::altered if the kit is not the one that was sealed.
  Result<SigningKey> open_key(const RecoveryKey& recovery_key) const;

  const Bytes& bundle() const { return bundle_; }
  const RecoveryBlob& blob() const { return blob_; }
  const Bytes& certificate() const { return certificate_; }
  Bytes encode() const;

 private:
  RecoveryKit(Bytes bundle, RecoveryBlob blob, Bytes certificate)
      : bundle_(std::move(bundle)), blob_(std::move(blob)), certificate_(std::move(certificate)) {}
  Bytes bundle_;
  RecoveryBlob blob_;
  Bytes certificate_;
  ByteArray<12> nonce_{};
  Bytes sealed_key_;
};

}  // namespace coprotect::protocol
