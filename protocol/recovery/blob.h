#pragma once

#include "protocol/crypto/argon2.h"
#include "protocol/crypto/hpke.h"
#include "protocol/file/header.h"
#include "protocol/group/group.h"

namespace coprotect::protocol {

enum class RecoveryKind : std::uint8_t { code = 1, password = 2 };

// The Argon2id output that opens a blob and a kit made with it.
struct RecoveryKey {
  Secret key;  // 32 bytes
};

// The recovery private key, sealed under a code or password (SPEC.md §8.2). It opens recovery parts, which
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
  // `input` is what read_code() gives, or the password. Draws salt and nonce; runs Argon2id with the kind's
  // cost.
  static Result<std::pair<RecoveryBlob, RecoveryKey>> seal(RecoveryKind kind, const Secret& input,
                                                           const KeyId& key_id, SuiteId suite,
                                                           const HpkePrivateKey& hpke, Random& random);
  // As seal(), with the given cost, salt and nonce: for vectors and tests.
  static Result<std::pair<RecoveryBlob, RecoveryKey>> seal_with(RecoveryKind kind, const Argon2Cost& cost,
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

  RecoveryKind kind() const { return kind_; }
  const Binding& binding() const { return binding_; }
  const Bytes& encoded() const { return encoded_; }

 private:
  RecoveryBlob(RecoveryKind kind, const Binding& binding, Argon2Cost cost)
      : kind_(kind), binding_(binding), cost_(cost) {}
  RecoveryKind kind_;
  Binding binding_;
  Argon2Cost cost_;
  ByteArray<16> salt_{};
  ByteArray<12> nonce_{};
  Bytes sealed_;
  std::size_t aad_size_ = 0;
  Bytes encoded_;
};

}  // namespace coprotect::protocol
