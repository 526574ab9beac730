#pragma once

#include "protocol/crypto/argon2.h"
#include "protocol/crypto/hpke.h"
#include "protocol/file/header.h"
#include "protocol/group/group.h"

namespace coprotect::protocol {

// The Argon2id output that opens a blob and the kit made with it.
struct RecoveryKey {
  Secret key;  // 32 bytes
};

// The recovery private key, sealed under a generated code (SPEC.md §8.2). It opens recovery parts, which
// agents keep. The blob itself contains no share.
class RecoveryBlob {
 public:
  // Code::malformed for a malformed blob, a cost over the limits or an invalid recovery key.
  static Result<RecoveryBlob> parse(ByteView encoded);

  // What a blob is bound to.
  struct Binding {
    KeyId key_id;
    SuiteId suite;
    HpkePublicKey recovery_key;
  };
  // `input` is the result of read_code(). Draws salt and nonce. Runs Argon2id with kCodeCost.
  static Result<std::pair<RecoveryBlob, RecoveryKey>> seal(const Secret& input, const KeyId& key_id,
                                                           SuiteId suite, const HpkePrivateKey& hpke,
                                                           Random& random);
  // Like seal(), with the given cost, salt and nonce. For vectors and tests.
  static Result<std::pair<RecoveryBlob, RecoveryKey>> seal_with(const Argon2Cost& cost,
                                                                const ByteArray<16>& salt,
                                                                const ByteArray<12>& nonce,
                                                                const Secret& input, const KeyId& key_id,
                                                                SuiteId suite, const HpkePrivateKey& hpke);

  struct Opened {
    HpkePrivateKey hpke;
    RecoveryKey recovery_key;
  };
  // Runs Argon2id. Code::wrong_code if the blob was sealed under another input. Code::altered if the key
  // inside is not the private half of the binding's recovery key.
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
