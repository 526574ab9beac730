#pragma once

#include <gmp.h>

#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/secret.h"

namespace coprotect::protocol {

// Raises one public base to secret exponents mod an odd number, in constant time, several times faster than a
// general exponentiation (C. H. Lim and P. J. Lee, "More Flexible Exponentiation with Precomputation", CRYPTO
// '94). The exponent's bits stand in kTeeth rows; each column picks a factor from a table, and kBlocks tables
// share the squarings. Every exponent goes through the same operations on the same addresses: a factor is
// selected by reading the whole table, and multiplication and reduction are GMP's basic ones, whose time
// depends on sizes alone. Safe from several threads.
class SecretComb {
 public:
  // All numbers big-endian and of the modulus's width; base < modulus, exponents of up to that width.
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
  std::size_t columns_;             // of a block
  std::vector<mp_limb_t> table_;    // kBlocks × kEntries factors
};

}  // namespace coprotect::protocol
