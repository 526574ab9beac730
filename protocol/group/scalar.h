#pragma once

#include <gmp.h>

#include <cstdint>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/random.h"
#include "protocol/base/result.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

// The integers mod a prime q. Each group has one object, and its scalars refer to it.
class ScalarField {
 public:
  explicit ScalarField(ByteView modulus);  // big-endian, no leading zero byte

  // Width of an encoded scalar in bytes.
  std::size_t size() const { return modulus_.size(); }
  ByteView modulus() const { return modulus_; }
  const std::vector<mp_limb_t>& limbs() const { return limbs_; }

 private:
  Bytes modulus_;
  std::vector<mp_limb_t> limbs_;
};

// An integer mod q in locked memory. Arithmetic takes constant time in the values. The scalars of one
// operation must belong to one field.
class Scalar {
 public:
  // Code::malformed for a wrong width or a value ≥ q. Zero is allowed.
  static Result<Scalar> parse(const ScalarField& field, ByteView encoded);
  // Uniform in 1..q−1.
  static Scalar random(const ScalarField& field, Random& random);
  static Scalar from_u64(const ScalarField& field, std::uint64_t value);
  // OS2IP(wide) mod q, for any length.
  static Scalar reduce(const ScalarField& field, ByteView wide);

  Scalar clone() const { return Scalar(*field_, bytes_.clone()); }
  const ScalarField& field() const { return *field_; }
  // Fixed-width big-endian encoding.
  const Secret& bytes() const { return bytes_; }
  bool is_zero() const;

  friend Scalar operator+(const Scalar& a, const Scalar& b);
  friend Scalar operator-(const Scalar& a, const Scalar& b);
  friend Scalar operator*(const Scalar& a, const Scalar& b);
  // 1/a. Aborts for zero.
  Scalar inverse() const;
  friend bool operator==(const Scalar& a, const Scalar& b) {
    return equal_in_constant_time(a.bytes_, b.bytes_);
  }

 private:
  Scalar(const ScalarField& field, Secret bytes) : field_(&field), bytes_(std::move(bytes)) {}
  const ScalarField* field_;
  Secret bytes_;
};

}  // namespace coprotect::protocol
