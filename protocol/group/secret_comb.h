#pragma once

#include <gmp.h>

#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

// Raises one public base to secret exponents mod an odd number. It takes constant time, and is several times
// faster than a general exponentiation (C. H. Lim and P. J. Lee, "More Flexible Exponentiation with
// Precomputation", CRYPTO '94). The exponent's bits are arranged in kTeeth rows. Each column selects a factor
// from a table, and kBlocks tables share the squarings. Every exponent causes the same operations on the same
// addresses: a selection reads the whole table, and multiplication and reduction are GMP's basic ones, whose
// time depends on sizes only. Safe from several threads.
class SecretComb {
 public:
  // All numbers are big-endian and have the modulus's width. base < modulus; an exponent has at most that
  // width.
  SecretComb(ByteView modulus, ByteView base);

  // base^exponent mod modulus.
  Secret power(ByteView exponent) const;

 private:
  static constexpr std::size_t kTeeth = 6;
  static constexpr std::size_t kBlocks = 4;
  static constexpr std::size_t kEntries = std::size_t{1} << kTeeth;

  void square(mp_limb_t* value, mp_limb_t* scratch) const;
  void multiply(mp_limb_t* value, const mp_limb_t* factor, mp_limb_t* scratch) const;
  void reduce(mp_limb_t* value, mp_limb_t* product) const;
  mp_size_t size() const { return static_cast<mp_size_t>(modulus_.size()); }
  std::size_t scratch_limbs() const;

  std::vector<mp_limb_t> modulus_;
  mp_limb_t negative_inverse_ = 0;  // −1/modulus mod 2^64
  std::vector<mp_limb_t> one_;      // Montgomery, as is the table
  std::size_t columns_;             // in a block
  std::vector<mp_limb_t> table_;    // kBlocks × kEntries factors
};

}  // namespace coprotect::protocol
