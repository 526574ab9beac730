#pragma once

#include "protocol/handover/deal.h"

namespace coprotect::protocol {

// What the dealers of a handover gave to an absent recovery party (SPEC.md §13.5): kept by the agents beside
// the recovery blob, whose HPKE key opens them.
class RecoveryParts {
 public:
  static RecoveryParts of(const HandoverPlan& plan, std::span<const Deal> deals);
  static Result<RecoveryParts> parse(ByteView encoded);

  const Sid& sid() const { return sid_; }
  std::uint8_t index() const { return index_; }
  const Bytes& encoded() const { return encoded_; }
  // The recovery share of the epoch that the parts are of. Code::altered unless it is the one behind that
  // epoch's public share.
  Result<Scalar> open(const HpkePrivateKey& key, const Sharing& sharing) const;

 private:
  Sid sid_{};
  std::uint8_t index_ = 0;
  std::map<std::uint8_t, Bytes> sealed_;  // by dealer
  Bytes encoded_;
};

}  // namespace coprotect::protocol
