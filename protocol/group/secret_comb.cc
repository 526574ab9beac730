#include "protocol/group/secret_comb.h"

#include <algorithm>

#include "protocol/base/result.h"
#include "protocol/group/limbs.h"

namespace coprotect::protocol {

SecretComb::SecretComb(ByteView modulus, ByteView base) : modulus_((modulus.size() + 7) / 8) {
  invariant(!modulus.empty() && modulus.size() % 8 == 0 && modulus.back() % 2 == 1 &&
            base.size() == modulus.size());
  const Limbs modulus_limbs(modulus, modulus_.size());
  std::copy_n(modulus_limbs.data(), modulus_.size(), modulus_.data());
  mp_limb_t inverse = 1;  // Newton's iteration doubles the number of correct bits
  for (int i = 0; i < 6; ++i) inverse *= 2 - modulus_[0] * inverse;
  negative_inverse_ = ~inverse + 1;

  const std::size_t n = modulus_.size();
  columns_ = (64 * n + kTeeth * kBlocks - 1) / (kTeeth * kBlocks);
  std::vector<mp_limb_t> quotient(n + 2);
  const auto to_montgomery = [&](const std::vector<mp_limb_t>& x) {
    std::vector<mp_limb_t> shifted(2 * n);
    std::copy(x.begin(), x.end(), shifted.begin() + static_cast<std::ptrdiff_t>(n));
    std::vector<mp_limb_t> result(n);
    mpn_tdiv_qr(quotient.data(), result.data(), 0, shifted.data(), static_cast<mp_size_t>(2 * n),
                modulus_.data(), size());
    return result;
  };
  std::vector<mp_limb_t> unit(n);
  unit[0] = 1;
  one_ = to_montgomery(unit);
  const Limbs base_limbs(base, n);
  std::vector<mp_limb_t> tooth = to_montgomery({base_limbs.data(), base_limbs.data() + n});

  // Bit c of block b in row t has the weight t·kBlocks·columns + b·columns + c. So the entry of block b with
  // only bit t set is base^(2^(…)) for column 0. All other entries are products of two.
  table_.resize(kBlocks * kEntries * n);
  Limbs scratch(scratch_limbs());
  const auto entry = [&](std::size_t block, std::size_t index) {
    return table_.data() + (block * kEntries + index) * n;
  };
  for (std::size_t t = 0; t < kTeeth; ++t) {
    for (std::size_t b = 0; b < kBlocks; ++b) {
      std::ranges::copy(tooth, entry(b, std::size_t{1} << t));
      for (std::size_t i = 0; i < columns_; ++i) square(tooth.data(), scratch.data());
    }
  }
  for (std::size_t b = 0; b < kBlocks; ++b) {
    std::ranges::copy(one_, entry(b, 0));
    for (std::size_t i = 1; i < kEntries; ++i) {
      const std::size_t lowest = i & (~i + 1);
      if (lowest == i) continue;
      std::copy_n(entry(b, i - lowest), n, entry(b, i));
      multiply(entry(b, i), entry(b, lowest), scratch.data());
    }
  }
}

std::size_t SecretComb::scratch_limbs() const {
  const std::size_t n = modulus_.size();
  return 2 * n +
         static_cast<std::size_t>(std::max(mpn_sec_mul_itch(size(), size()), mpn_sec_sqr_itch(size())));
}

// Montgomery's reduction word by word: value = product / 2^(64·n), less than the modulus.
void SecretComb::reduce(mp_limb_t* value, mp_limb_t* product) const {
  const mp_size_t n = size();
  for (mp_size_t i = 0; i < n; ++i) {
    const mp_limb_t factor = product[i] * negative_inverse_;
    // The limb becomes zero, so it can store the carry to limb i + n.
    product[i] = mpn_addmul_1(product + i, modulus_.data(), n, factor);
  }
  const mp_limb_t carry = mpn_add_n(value, product + n, product, n);
  const mp_limb_t borrow = mpn_cnd_sub_n(1, value, value, modulus_.data(), n);
  // The sum was less than the modulus if and only if the subtraction borrowed more than the addition carried.
  mpn_cnd_add_n(borrow & (carry ^ 1), value, value, modulus_.data(), n);
}

void SecretComb::square(mp_limb_t* value, mp_limb_t* scratch) const {
  mpn_sec_sqr(scratch, value, size(), scratch + 2 * size());
  reduce(value, scratch);
}

void SecretComb::multiply(mp_limb_t* value, const mp_limb_t* factor, mp_limb_t* scratch) const {
  mpn_sec_mul(scratch, value, size(), factor, size(), scratch + 2 * size());
  reduce(value, scratch);
}

Secret SecretComb::power(ByteView exponent) const {
  const std::size_t n = modulus_.size();
  invariant(exponent.size() <= 8 * n);
  const Limbs bits(exponent, n);
  // The comb extends slightly beyond the exponent.
  const auto bit = [&](std::size_t at) { return at < 64 * n ? bits.data()[at / 64] >> (at % 64) & 1 : 0; };

  Limbs scratch(scratch_limbs());
  Limbs factor(n);
  Limbs value(n);
  std::ranges::copy(one_, value.data());
  for (std::size_t c = columns_; c-- > 0;) {
    square(value.data(), scratch.data());
    for (std::size_t b = 0; b < kBlocks; ++b) {
      mp_limb_t index = 0;
      for (std::size_t t = kTeeth; t-- > 0;) index = index << 1 | bit((t * kBlocks + b) * columns_ + c);
      mpn_sec_tabselect(factor.data(), table_.data() + b * kEntries * n, size(),
                        static_cast<mp_size_t>(kEntries), static_cast<mp_size_t>(index));
      multiply(value.data(), factor.data(), scratch.data());
    }
  }
  // Converts from Montgomery form.
  Limbs wide(2 * n);
  std::copy_n(value.data(), n, wide.data());
  reduce(value.data(), wide.data());
  return value.to_bytes(8 * n);
}

}  // namespace coprotect::protocol
