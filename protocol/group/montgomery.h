#pragma once

#include <optional>
#include <span>
#include <vector>

#include "protocol/group/bignum.h"

namespace coprotect::protocol {

// Arithmetic mod an odd number. "Montgomery" values are multiplied by 2^k mod the modulus, as OpenSSL's fast
// multiplication requires. Safe from several threads.
class Modulus {
 public:
  explicit Modulus(Bignum p);

  const BIGNUM* value() const { return p_.get(); }
  // Not const because OpenSSL's functions take it so. They only read it.
  BN_MONT_CTX* montgomery() const { return montgomery_.get(); }

  Bignum to_montgomery(const BIGNUM* x, BN_CTX* context) const;
  Bignum from_montgomery(const BIGNUM* x, BN_CTX* context) const;
  // target = a·b, all Montgomery. target may be a or b.
  void multiply_montgomery(BIGNUM* target, const BIGNUM* a, const BIGNUM* b, BN_CTX* context) const;
  // a·b for ordinary values.
  Bignum multiply(const BIGNUM* a, const BIGNUM* b) const;
  // 1/x. Variable time. Aborts if x has no inverse.
  Bignum inverse(const BIGNUM* x) const;

 private:
  Bignum p_;
  Owned<BN_MONT_CTX, BN_MONT_CTX_free> montgomery_;
};

// Precomputed powers of one base for exponents of up to `bits` bits (C. H. Lim and P. J. Lee, "More Flexible
// Exponentiation with Precomputation", CRYPTO '94, with one block). The exponent is split into kTeeth rows,
// and each column needs one table entry. An exponentiation takes an eighth of the usual squarings.
class Comb {
 public:
  Comb(const Modulus& modulus, const BIGNUM* base, std::size_t bits);

  std::size_t columns() const { return columns_; }
  // The factor for one column of an exponent, Montgomery. Null if the column is zero.
  const BIGNUM* factor(ByteView exponent, std::size_t column) const;

 private:
  static constexpr std::size_t kTeeth = 8;
  std::size_t columns_;
  std::vector<Bignum> table_;
};

struct Power {
  const BIGNUM* base;  // ordinary, less than the modulus
  ByteView exponent;   // big-endian
};
struct CombPower {
  const Comb* comb;
  ByteView exponent;  // of no more bits than the comb was made for
};
// The product of all powers, which share their squarings. Variable time: for public exponents.
Bignum product_of_powers(const Modulus& modulus, std::optional<CombPower> fixed,
                         std::span<const Power> powers);

}  // namespace coprotect::protocol
