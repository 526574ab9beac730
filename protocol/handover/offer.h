#pragma once

#include <array>
#include <optional>

#include "protocol/crypto/ecdsa.h"
#include "protocol/handover/plan.h"

namespace coprotect::protocol {

// Proves that the maker of an offer holds a share of the present epoch: a Schnorr proof under its public
// share. Its elements belong to the key's suite, which an offer does not name. So check_offers() parses them.
struct ShareProof {
  std::uint8_t index;
  Bytes proof;  // R ‖ z
};

// What an agent contributes to a handover or a key generation: the key to which others seal what they deal to
// it (SPEC.md §13.6). The tool that relays an offer could change it. So the agent's identity key signs the
// offer, and each share that the agent holds proves itself over it. A party that has neither is dealt
// nothing. An offer is valid for one version of one key, until its maker forgets it.
struct HandoverOffer {
  KeyId key_id;         // zeros in a key generation
  Digest newest_hash;   // Bundle::newest_hash() that the handover follows; zeros in a key generation
  ByteArray<32> nonce;  // Party::nonce
  HpkePublicKey ceremony_key;
  KeeperMode mode;
  ByteArray<16> boot_nonce;        // drawn when its maker started
  Signature signature{};           // over hash(), by the identity key
  std::vector<ShareProof> proofs;  // by index, ascending; empty if the agent holds no share yet

  // What is signed and proved.
  Digest hash() const;
  void sign(const SigningKey& identity) { signature = identity.sign(hash()); }
  Bytes encode() const;
  // Code::malformed. Checks neither the signature nor the proofs.
  static Result<HandoverOffer> parse(ByteView encoded);
};

// A share whose holder proves it.
struct HeldShare {
  const KeyId& key_id;
  std::uint32_t epoch;
  std::uint8_t index;
  const Element& public_share;
};
ShareProof prove_share(const Digest& offer_hash, const HeldShare& held, const Scalar& share, Random& random);
bool verify_share(const Digest& offer_hash, const HeldShare& held, const ShareProof& proof);

// Proves that its maker holds the recovery share of the present epoch, for a plan by which that share deals:
// R ‖ z of the same proof, over the plan. Agents deal first. So they require this proof before they deal by
// an announced plan: a certified recovery administrator without kit and code gets nothing.
Bytes prove_recovery_share(const HandoverPlan& plan, const Sharing& now, const Scalar& share, Random& random);
// False also if there is no recovery share.
bool verify_recovery_share(const HandoverPlan& plan, const Sharing& now, ByteView proof);

// Checks that every agent of the plan offered the keys that the plan names for it: one offer each, in the
// plan's order, for the version that the plan follows, signed by its identity key. A holder of shares in
// `now` must prove every one of them. So an agent that lost its share can join only under another identity
// key. The error names the party: Code::conflict if the offer says something else, Code::unauthenticated for
// the signature, Code::bad_proof for a share.
Status check_offers(const HandoverPlan& plan, const Sharing& now, std::span<const HandoverOffer> offers);

}  // namespace coprotect::protocol
