#include "protocol/threshold/shamir.h"

#include <algorithm>

namespace coprotect::protocol {

Polynomial Polynomial::random(const Group& group, std::uint8_t t, Random& random) {
  invariant(t >= 1 && t <= kMaxShares);
  std::vector<Scalar> coefficients;
  for (std::uint8_t k = 0; k < t; ++k) coefficients.push_back(Scalar::random(group.scalars(), random));
  return {group, std::move(coefficients)};
}

Polynomial Polynomial::sharing(const Group& group, Scalar secret, std::uint8_t t, Random& random) {
  Polynomial polynomial = Polynomial::random(group, t, random);
  polynomial.coefficients_.front() = std::move(secret);
  return polynomial;
}

Scalar Polynomial::at(std::uint8_t index) const {
  // f(0) is the secret itself.
  invariant(index >= 1);
  const Scalar x = Scalar::from_u64(group_->scalars(), index);
  Scalar value = coefficients_.back().clone();
  for (std::size_t k = coefficients_.size() - 1; k-- > 0;) value = value * x + coefficients_[k];
  return value;
}

std::vector<Element> Polynomial::commitments() const {
  std::vector<Element> commitments;
  for (const Scalar& a : coefficients_) commitments.push_back(group_->generator_power_secret(a));
  return commitments;
}

Element committed_value(std::span<const Element> commitments, std::uint8_t index) {
  invariant(!commitments.empty() && index >= 1);
  const Group& group = commitments.front().group();
  // Horner's rule in the exponent: every exponent is one byte.
  Element value = commitments.back();
  for (std::size_t k = commitments.size() - 1; k-- > 0;)
    value = group.multiply(group.power_public(value, ByteView(&index, 1)), commitments[k]);
  return value;
}

Result<Scalar> lagrange_at_zero(const Group& group, std::span<const std::uint8_t> indices, std::uint8_t i) {
  if (indices.empty() || indices.size() > kMaxShares)
    return Error(Code::malformed, "quorum: 1 to 16 indices are possible");
  for (std::size_t a = 0; a < indices.size(); ++a) {
    if (indices[a] == 0) return Error(Code::malformed, "quorum: index 0");
    if (std::find(indices.begin(), indices.begin() + static_cast<std::ptrdiff_t>(a), indices[a]) !=
        indices.begin() + static_cast<std::ptrdiff_t>(a))
      return Error(Code::malformed, "quorum: index " + std::to_string(indices[a]) + " twice");
  }
  if (std::find(indices.begin(), indices.end(), i) == indices.end())
    return Error(Code::malformed, "quorum: index " + std::to_string(i) + " is not in it");

  const ScalarField& field = group.scalars();
  const Scalar at = Scalar::from_u64(field, i);
  Scalar numerator = Scalar::from_u64(field, 1);
  Scalar denominator = Scalar::from_u64(field, 1);
  for (const std::uint8_t index : indices) {
    if (index == i) continue;
    const Scalar j = Scalar::from_u64(field, index);
    numerator = numerator * j;
    denominator = denominator * (j - at);
  }
  return numerator * denominator.inverse();
}

}  // namespace coprotect::protocol
