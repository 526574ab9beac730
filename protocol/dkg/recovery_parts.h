#pragma once

#include <map>

#include "protocol/dkg/sharing.h"

namespace coprotect::protocol {

// The parts that all dealers of a ceremony made for its recovery party (SPEC.md §8.6). Only agents keep them.
// The recovery private key opens them.
class RecoveryParts {
 public:
  // Parts by dealer: by its position in a key generation, by its index in a handover.
  static RecoveryParts of(const Sid& sid, std::uint8_t index, std::map<std::uint8_t, RecoveryPart> parts);
  static Result<RecoveryParts> parse(const Group& group, ByteView encoded);

  const Sid& sid() const { return sid_; }
  std::uint8_t index() const { return index_; }
  const Bytes& encoded() const { return encoded_; }
  // The hash that bundles and versions contain.
  Digest hash() const;

  // Code::altered unless they are the parts that the key's newest ceremony names. Code::bad_proof, naming the
  // dealer, if the recovery key cannot open one of them.
  Status check(const Sharing& sharing, Random& random) const;
  // The recovery share of that epoch. Code::altered unless it matches the epoch's public share.
  Result<Scalar> open(const HpkePrivateKey& key, const Sharing& sharing) const;

 private:
  Status check_named(const Sharing& sharing) const;

  Sid sid_{};
  std::uint8_t index_ = 0;
  std::map<std::uint8_t, RecoveryPart> parts_;
  Bytes encoded_;
};

// The same hash, computed from the hashes of the parts.
Digest recovery_parts_hash(const Sid& sid, std::uint8_t index, const std::map<std::uint8_t, Digest>& parts);

// Σ λ_i·v_i: combines dealt values into the new share in a handover (SPEC.md §13).
Result<Scalar> combine_dealt_values(const Group& group, const std::map<std::uint8_t, Scalar>& by_dealer);

}  // namespace coprotect::protocol
