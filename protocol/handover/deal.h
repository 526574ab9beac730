#pragma once

#include <map>

#include "protocol/dkg/recovery_parts.h"
#include "protocol/handover/plan.h"

namespace coprotect::protocol {

// The public part of one dealer's deal (SPEC.md §13.2): commitments to a polynomial whose constant is the
// dealer's share, and a proof of knowledge of that share. The proof covers the plan and everything dealt, so
// it is the shareholder's consent to the handover.
struct PublicDeal {
  std::uint8_t index;                // the dealer's, in the present epoch
  std::vector<Element> commitments;  // A_0 … A_{t'−1}; A_0 is the dealer's public share
  Digest sealed_hash;                // of the sealed values
  Digest part_hash;                  // of the recovery part among them; zeros if there is no recovery party
  Element proof_r;
  Scalar proof_z;

  static Result<PublicDeal> parse(ByteView encoded, const HandoverPlan& plan);
  Bytes encode() const;
  // Code::bad_proof, naming the index, unless the holder of that share made it for this plan.
  Status check(const HandoverPlan& plan, const Sharing& now) const;
};

// A complete deal: the public part, and the polynomial's value for each index of the new epoch, sealed to its
// holder.
struct Deal {
  PublicDeal open;
  // For each index, ascending: lp4(sealed value). For the recovery party's index that is a sealed part.
  Bytes sealed;

  // Code::malformed, or Code::bad_proof if the sealed values are not the ones that the proof covers.
  static Result<Deal> parse(ByteView encoded, const HandoverPlan& plan);
  Bytes encode() const;
  // The sealed value for an index of the new epoch.
  ByteView sealed_for(std::uint8_t index) const;
};

// Deals the share of `index`. The randomness is hedged with share and plan (SPEC.md §3.3). Code::malformed if
// the plan names an HPKE key to which nothing can be sealed.
Result<Deal> make_deal(const HandoverPlan& plan, std::uint8_t index, const Scalar& share, Random& random);

// One dealer's value for an index of the new epoch, opened by the holder of that index. Code::bad_proof,
// naming the dealer, if it cannot be opened or does not match the commitments.
Result<Scalar> open_dealt_value(const HandoverPlan& plan, const Deal& deal, std::uint8_t index,
                                const HpkePrivateKey& key);
// One dealer's part for the recovery party, opened and checked by the agent at position `self` of the new
// epoch. Code::bad_proof names the dealer.
Result<RecoveryPart> open_dealt_part(const HandoverPlan& plan, const Deal& deal, std::size_t self,
                                     const HpkePrivateKey& key, Random& random);
// The statement of a dealer's part.
RecoveryStatement dealt_statement(const HandoverPlan& plan, const PublicDeal& deal);

// What sealed values are bound to: the ceremony, the dealer, the index and the index's holder.
Bytes handover_seal_info(const Sid& sid);
Bytes handover_seal_aad(std::uint8_t dealer, std::uint8_t index, const Party& holder);

}  // namespace coprotect::protocol
