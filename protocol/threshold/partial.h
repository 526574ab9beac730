#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "protocol/base/interest.h"
#include "protocol/threshold/tdh2.h"

namespace coprotect::protocol {

// Proof that log_g h_i = log_{c1} k_i for all items (SPEC.md §3.2).
struct DleqProof {
  Challenge c;
  Scalar z;
};

// One index's partial decryptions of one or more items, with one proof for all of them.
struct PartialSet {
  std::vector<Element> values;  // k_i = c1^{s_i}; for a key that derives, c1 is the peer's public value
  DleqProof proof;
};

// X of SPEC.md §3.2.
Digest partial_context(SuiteId suite, const Digest& key_id, std::uint32_t epoch, std::uint8_t index,
                       const Digest& request_hash);

// Constant time in the share. `bases` are the c1's of verified capsules, at least one.
PartialSet compute_partials(const Scalar& share, const Element& public_share, std::span<const Element> bases,
                            const Digest& context, Random& random);
// The same for a caller that may leave meanwhile. Then Code::unavailable, and no partial result is returned.
Result<PartialSet> compute_partials(const Scalar& share, const Element& public_share,
                                    std::span<const Element> bases, const Digest& context, Random& random,
                                    const Interest& interest);

// Code::bad_proof unless the set was computed with the share of public_share for exactly these bases and this
// context.
Status verify_partials(const Element& public_share, std::span<const Element> bases, const PartialSet& set,
                       const Digest& context);

struct IndexedPartial {
  std::uint8_t index;
  Element value;
};
// m = c2 / ∏ k_i^{λ_i} for a quorum of verified partials. Code::malformed for an invalid set of indices.
Result<Element> combine(const Element& c2, std::span<const IndexedPartial> partials);

// base^s = ∏ k_i^{λ_i}, for keys that derive. The same errors.
Result<Element> combine(std::span<const IndexedPartial> partials);

}  // namespace coprotect::protocol
