#pragma once

#include "protocol/crypto/argon2.h"
#include "protocol/crypto/hpke.h"
#include "protocol/file/header.h"
#include "protocol/group/group.h"

namespace coprotect::protocol {

// The Argon2id output that opens a blob and a kit made with it.
struct RecoveryKey {
  Secret key;  // 32 bytes
};

// The recovery private key, sealed under a generated code (SPEC.md §8.2). It opens recovery parts, which
// agents keep; the blob itself holds no share.
class RecoveryBlob {
 public:
  // Refuses (Code::malformed) anything not of the form, costs over the limits, a recovery key that is none.
  static Result<RecoveryBlob> parse(ByteView encoded);

  // What a blob is bound to.
  struct Binding {
    KeyId key_id;
    SuiteId suite;
    HpkePublicKey recovery_key;
  };
  // `input` is what read_code() gives. Draws salt and nonce; runs Argon2id with kCodeCost.
  static Result<std::pair<RecoveryBlob, RecoveryKey>> seal(const Secret& input, const KeyId& key_id,
                                                           SuiteId suite, const HpkePrivateKey& hpke,
                                                           Random& random);
  // As seal(), with the given cost, salt and nonce: for vectors and tests.
  static Result<std::pair<RecoveryBlob, RecoveryKey>> seal_with(const Argon2Cost& cost,
                                                                const ByteArray<16>& salt,
                                                                const ByteArray<12>& nonce,
                                                                const Secret& input, const KeyId& key_id,
                                                                SuiteId suite, const HpkePrivateKey& hpke);

  struct Opened {
    HpkePrivateKey hpke;
    RecoveryKey recovery_key;
  };
  // Runs Argon2id. Code::wrong_code if the input is not the one it was sealed under, Code::altered if the
  // key inside is not the private half of the binding's.
  Result<Opened> open(const Secret& input) const;

  const Binding& binding() const { return binding_; }
  const Bytes& encoded() const { return encoded_; }

 private:
  RecoveryBlob(const Binding& binding, Argon2Cost cost) : binding_(binding), cost_(cost) {}
  Binding binding_;
  Argon2Cost cost_;
  ByteArray<16> salt_{};
  ByteArray<12> nonce_{};
  Bytes sealed_;
  std::size_t aad_size_ = 0;
  Bytes encoded_;
};

}  // namespace coprotect::protocol
