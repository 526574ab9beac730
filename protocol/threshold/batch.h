#pragma once

#include <span>
#include <vector>

#include "protocol/threshold/partial.h"

namespace coprotect::protocol {

// The proof for two or more items of SPEC.md §3.2: one DLEQ proof for the product of all items, each raised
// to a weight (R. Henry, "Efficient zero-knowledge proofs and applications", 2014, §4.3). `bases` are the
// c1's and `values` the k's, in equal number.

// The weights d_i, big-endian. Each depends on the context, the public share and every base and value. If a
// weight depended on its own item only, a forger could choose wrong values one by one until the weighted
// errors cancel (D. Wagner, "A generalized birthday problem", CRYPTO 2002).
std::vector<Bytes> batch_weights(const Digest& context, const Element& public_share,
                                 std::span<const Element> bases, std::span<const Element> values);

// Constant time in the share and in `nonce`. The caller uses a nonce only once.
DleqProof prove_batch(const Scalar& share, const Element& public_share, std::span<const Element> bases,
                      std::span<const Element> values, const Digest& context, const Scalar& nonce);

bool verify_batch(const Element& public_share, std::span<const Element> bases,
                  std::span<const Element> values, const DleqProof& proof, const Digest& context);

}  // namespace coprotect::protocol
