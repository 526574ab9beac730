#pragma once

#include <array>
#include <optional>

#include "protocol/crypto/ecdsa.h"
#include "protocol/handover/plan.h"

namespace coprotect::protocol {

// That the maker of an offer holds a share of the present epoch: a Schnorr proof under its public share. Its
// elements are of the key's suite, which an offer does not name, so they are read when it is checked.
struct ShareProof {
  std::uint8_t index;
  Bytes proof;  // R ‖ z
};

// What an agent brings to a handover or to a key generation: the key to which others seal what they deal to
// it (SPEC.md §13.6). Its identity key signs it and each of its shares proves itself under it, because the
// tool that passes it on could write anything in it: who has neither is dealt nothing. It is good for one
// version of one key, and until its maker forgets it.
struct HandoverOffer {
  KeyId key_id;         // zeros in a key generation
  Digest newest_hash;   // Bundle::newest_hash() of what the handover follows; zeros in a key generation
  ByteArray<32> nonce;  // Party::nonce
  HpkePublicKey ceremony_key;
  KeeperMode mode;
  ByteArray<16> boot_nonce;        // drawn when its maker started
  Signature signature{};           // over hash(), by the identity key
  std::vector<ShareProof> proofs;  // by index, ascending; none of an agent that holds no share yet

  // What is signed and proved.
  Digest hash() const;
  void sign(const SigningKey& identity) { signature = identity.sign(hash()); }
  Bytes encode() const;
  // Code::malformed. Neither signature nor proofs are checked.
  static Result<HandoverOffer> parse(ByteView encoded);
};

// A share, as its holder proves it.
struct HeldShare {
  const KeyId& key_id;
  std::uint32_t epoch;
  std::uint8_t index;
  const Element& public_share;
};
ShareProof prove_share(const Digest& offer_hash, const HeldShare& held, const Scalar& share, Random& random);
bool verify_share(const Digest& offer_hash, const HeldShare& held, const ShareProof& proof);

// That somebody holds the recovery share of the present epoch, for a plan by which it deals: R ‖ z of the
// same proof, over the plan. Agents ask for it before they deal by a plan that was announced only, because
// they deal first: who is certified as recovery administrator and has neither kit nor code gets nothing.
Bytes prove_recovery_share(const HandoverPlan& plan, const Sharing& now, const Scalar& share, Random& random);
// False, too, if there is no recovery share.
bool verify_recovery_share(const HandoverPlan& plan, const Sharing& now, ByteView proof);

// Whether every agent of the plan offered the keys that the plan names for it: one offer of each, in the
// plan's order, for the version that the plan follows, signed by its identity key. Who holds shares in `now`
// proves every one of them; an agent that lost its share can only join under another identity key. The error
// names the party: Code::conflict if the offer says something else, Code::unauthenticated for the signature,
// Code::bad_proof for a share.
Status check_offers(const HandoverPlan& plan, const Sharing& now, std::span<const HandoverOffer> offers);

}  // namespace coprotect::protocol
