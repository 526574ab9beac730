#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "protocol/group/group.h"

namespace coprotect::protocol {

constexpr std::uint8_t kMaxShares = 16;

// A secret polynomial of degree t−1 over the scalars. Its value at zero is the shared secret.
class Polynomial {
 public:
  static Polynomial random(const Group& group, std::uint8_t t, Random& random);
  // A random polynomial that shares this secret.
  static Polynomial sharing(const Group& group, Scalar secret, std::uint8_t t, Random& random);

  // f(index), index ≥ 1.
  Scalar at(std::uint8_t index) const;
  const Scalar& constant() const { return coefficients_.front(); }
  // A_k = g^{a_k}, k = 0..t−1.
  std::vector<Element> commitments() const;

 private:
  Polynomial(const Group& group, std::vector<Scalar> coefficients)
      : group_(&group), coefficients_(std::move(coefficients)) {}
  const Group* group_;
  std::vector<Scalar> coefficients_;
};

// g^{f(index)} from the commitments to f.
Element committed_value(std::span<const Element> commitments, std::uint8_t index);

// λ_i at zero for the quorum `indices` (SPEC.md §3). Code::malformed for a zero or repeated index, more than
// kMaxShares indices, or an i that is not among them.
Result<Scalar> lagrange_at_zero(const Group& group, std::span<const std::uint8_t> indices, std::uint8_t i);

}  // namespace coprotect::protocol
