#pragma once

#include <memory>

#include "protocol/group/group.h"

namespace coprotect::protocol {

using Challenge = ByteArray<32>;

// The public half of a joint key, with what is precomputed for it. Immutable, safe from several threads,
// cheap to move.
class PublicKey {
 public:
  // Hashes ḡ out of h. Fails only where hash_to_element does.
  static Result<PublicKey> make(Element h);

  const Group& group() const { return h_->base().group(); }
  const Element& h() const { return h_->base(); }
  const Element& g_bar() const { return g_bar_->base(); }
  const FixedBase& g_bar_powers() const { return *g_bar_; }

 private:
  PublicKey(std::unique_ptr<FixedBase> h, std::unique_ptr<FixedBase> g_bar)
      : h_(std::move(h)), g_bar_(std::move(g_bar)) {}
  std::unique_ptr<FixedBase> h_;
  std::unique_ptr<FixedBase> g_bar_;
};

// What a party needs of a ciphertext to decrypt its part (SPEC.md §3.1): everything but c2, which only its
// hash stands for.
struct Capsule {
  Element c1;
  Element u_bar;
  Digest c2_hash;  // SHA-256 of the encoded c2
  Challenge e;
  Scalar f;
};

struct Ciphertext {
  Element c1;
  Element u_bar;
  Element c2;
  Challenge e;
  Scalar f;

  Capsule capsule() const;
};

// TDH2 encryption of m under the label. Constant time in m and the randomness.
Ciphertext encrypt(const PublicKey& key, const Element& m, const Digest& label, Random& random);

// Checks that the capsule was made for this key and label by someone who knew r. Code::bad_proof otherwise.
// To be called before a share is touched: without it a party is a decryption oracle.
Status verify(const PublicKey& key, const Capsule& capsule, const Digest& label);

}  // namespace coprotect::protocol
