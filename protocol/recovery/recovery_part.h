#pragma once

#include <array>
#include <variant>
#include <vector>

#include "protocol/crypto/hpke.h"
#include "protocol/group/group.h"

namespace coprotect::protocol {

// What a recovery part proves and is bound to: one dealer's value for the recovery party's index, sealed to
// the recovery key in one ceremony.
struct RecoveryStatement {
  Digest sid;
  std::uint8_t dealer;
  std::uint8_t index;
  HpkePublicKey recovery_key;
  std::vector<Element> commitments;  // A_0 … A_{t−1} to the dealer's polynomial

  const Group& group() const { return commitments.front().group(); }
  // S of SPEC.md §8.5.
  Digest hash() const;
};

// A dealer's value for the recovery party, encrypted to the recovery key so that anyone can check it without
// being able to open it (SPEC.md §8.5): 128 rounds of cut and choose.
class RecoveryPart {
 public:
  static constexpr std::size_t kRounds = 128;

  // Code::malformed if the statement's recovery key is invalid. The value must be the one that the
  // statement's commitments fix. The seeds are hedged with the value, so that a repeating generator does not
  // reveal it.
  static Result<RecoveryPart> make(const RecoveryStatement& statement, const Scalar& value, Random& random);
  static Result<RecoveryPart> parse(const Group& group, ByteView encoded);
  const Bytes& encoded() const { return encoded_; }

  // Code::bad_proof, naming the dealer, unless the statement's recovery key can open the part. `random` draws
  // the weights of the batch check, which nobody else may know beforehand.
  Status check(const RecoveryStatement& statement, Random& random) const;
  // The value. Code::bad_proof if no round yields it: the key is another one, or the part was never checked.
  Result<Scalar> open(const RecoveryStatement& statement, const HpkePrivateKey& key) const;

 private:
  using Seed = ByteArray<32>;
  using Challenge = ByteArray<16>;
  static constexpr std::size_t kSealedSeedSize = 65 + 32 + 16;
  // A round that the challenge left closed.
  struct Closed {
    Scalar sum;  // v_k = r_k + value: public
    ByteArray<kSealedSeedSize> sealed_seed;
  };
  RecoveryPart(const Group& group, const Challenge& challenge) : group_(&group), challenge_(challenge) {}
  bool closed(std::size_t round) const;

  const Group* group_;
  Challenge challenge_;
  // R_1 … R_128 where recomputing them is slow, i.e. in the MODP suites. Otherwise empty.
  std::vector<Element> elements_;
  std::vector<std::variant<Seed, Closed>> rounds_;
  Bytes encoded_;
};

}  // namespace coprotect::protocol
