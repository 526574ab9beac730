#pragma once

#include <memory>

#include "protocol/group/group.h"

namespace coprotect::protocol {

using Challenge = ByteArray<32>;

// The public half of a joint key, with precomputed powers. Immutable, safe from several threads, cheap to
// move.
class PublicKey {
 public:
  // Hashes h to ḡ. Fails only if hash_to_element does.
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

// The part of a ciphertext that a party needs for its partial decryption (SPEC.md §3.1): everything but c2,
// of which it contains only the hash.
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

// Checks that the capsule was made for this key and label by a party that knew r. Otherwise Code::bad_proof.
// Call it before using a share: without this check a party is a decryption oracle.
Status verify(const PublicKey& key, const Capsule& capsule, const Digest& label);

}  // namespace coprotect::protocol
