#include "protocol/group/scalar.h"

#include <algorithm>

#include "protocol/base/declassify.h"
#include "protocol/group/limbs.h"

// GMP's mpn_sec_* and mpn_cnd_* functions take the same time and access the same memory for all values of the
// same size (GMP manual, "Low-level functions for cryptography"). We provide their scratch space in locked
// memory.

namespace coprotect::protocol {
namespace {

mp_size_t gmp_size(std::size_t n) {
  return static_cast<mp_size_t>(n);
}

// Leaves value mod q in the low limbs of value.
void reduce_in_place(Limbs& value, const ScalarField& field) {
  const mp_size_t n = gmp_size(value.count());
  const mp_size_t qn = gmp_size(field.limbs().size());
  Limbs scratch(static_cast<std::size_t>(mpn_sec_div_r_itch(n, qn)));
  mpn_sec_div_r(value.data(), n, field.limbs().data(), qn, scratch.data());
}

}  // namespace

ScalarField::ScalarField(ByteView modulus) : modulus_(modulus.begin(), modulus.end()) {
  invariant(!modulus.empty() && modulus.front() != 0);
  const Limbs limbs(modulus, 1);
  limbs_.assign(limbs.data(), limbs.data() + limbs.count());
}

Result<Scalar> Scalar::parse(const ScalarField& field, ByteView encoded) {
  if (encoded.size() != field.size()) return Error(Code::malformed, "scalar: wrong length");
  const Limbs value(encoded, field.limbs().size());
  const mp_size_t n = gmp_size(field.limbs().size());
  Limbs difference(value.count());
  std::copy_n(value.data(), value.count(), difference.data());
  // value − q borrows if and only if value < q. A scalar out of range is rejected, and its sender sees that.
  if (declassified(mpn_cnd_sub_n(1, difference.data(), difference.data(), field.limbs().data(), n)) == 0)
    return Error(Code::malformed, "scalar: not less than the group's order");
  return Scalar(field, Secret::copy_of(encoded));
}

Scalar Scalar::random(const ScalarField& field, Random& random) {
  // 128 bits more than q, so that the reduction's bias is below 2^−128. Zero is as likely as any other value,
  // so it means a broken generator.
  Secret wide(field.size() + 16);
  random.fill(wide.fill());
  Scalar scalar = reduce(field, wide.reveal());
  invariant(!scalar.is_zero());
  return scalar;
}

Scalar Scalar::from_u64(const ScalarField& field, std::uint64_t value) {
  ByteArray<8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(value >> (8 * (7 - i)));
  return reduce(field, bytes);
}

Scalar Scalar::reduce(const ScalarField& field, ByteView wide) {
  Limbs value(wide, field.limbs().size());
  reduce_in_place(value, field);
  return Scalar(field, value.to_bytes(field.size()));
}

bool Scalar::is_zero() const {
  return equal_in_constant_time(bytes_, Secret(bytes_.size()));
}

Scalar operator+(const Scalar& a, const Scalar& b) {
  invariant(a.field_ == b.field_);
  const ScalarField& field = *a.field_;
  const mp_size_t n = gmp_size(field.limbs().size());
  Limbs sum(a.bytes_.reveal(), field.limbs().size());
  const Limbs addend(b.bytes_.reveal(), field.limbs().size());
  const mp_limb_t carry = mpn_cnd_add_n(1, sum.data(), sum.data(), addend.data(), n);
  const mp_limb_t borrow = mpn_cnd_sub_n(1, sum.data(), sum.data(), field.limbs().data(), n);
  // The sum was less than q if and only if the subtraction borrowed more than the addition carried.
  mpn_cnd_add_n(borrow & (carry ^ 1), sum.data(), sum.data(), field.limbs().data(), n);
  return Scalar(field, sum.to_bytes(field.size()));
}

Scalar operator-(const Scalar& a, const Scalar& b) {
  invariant(a.field_ == b.field_);
  const ScalarField& field = *a.field_;
  const mp_size_t n = gmp_size(field.limbs().size());
  Limbs difference(a.bytes_.reveal(), field.limbs().size());
  const Limbs subtrahend(b.bytes_.reveal(), field.limbs().size());
  const mp_limb_t borrow = mpn_cnd_sub_n(1, difference.data(), difference.data(), subtrahend.data(), n);
  mpn_cnd_add_n(borrow, difference.data(), difference.data(), field.limbs().data(), n);
  return Scalar(field, difference.to_bytes(field.size()));
}

Scalar operator*(const Scalar& a, const Scalar& b) {
  invariant(a.field_ == b.field_);
  const ScalarField& field = *a.field_;
  const std::size_t count = field.limbs().size();
  const mp_size_t n = gmp_size(count);
  const Limbs left(a.bytes_.reveal(), count);
  const Limbs right(b.bytes_.reveal(), count);
  Limbs product(2 * count);
  Limbs scratch(static_cast<std::size_t>(mpn_sec_mul_itch(n, n)));
  mpn_sec_mul(product.data(), left.data(), n, right.data(), n, scratch.data());
  reduce_in_place(product, field);
  return Scalar(field, product.to_bytes(field.size()));
}

Scalar Scalar::inverse() const {
  const std::size_t count = field_->limbs().size();
  const mp_size_t n = gmp_size(count);
  Limbs value(bytes_.reveal(), count);  // destroyed by the inversion
  Limbs inverse(count);
  Limbs scratch(static_cast<std::size_t>(mpn_sec_invert_itch(n)));
  const auto bits = static_cast<mp_bitcnt_t>(2 * count * GMP_NUMB_BITS);
  // Only zero has no inverse. It ends the process.
  invariant(declassified(mpn_sec_invert(inverse.data(), value.data(), field_->limbs().data(), n, bits,
                                        scratch.data())) == 1);
  return Scalar(*field_, inverse.to_bytes(field_->size()));
}

}  // namespace coprotect::protocol
