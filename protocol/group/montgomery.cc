#include "protocol/group/montgomery.h"

#include <gmp.h>

#include <algorithm>

namespace coprotect::protocol {
namespace {

constexpr std::size_t kWindow = 4;  // exponent bits per multiplication

// The bits [at, at+count) of a big-endian integer, count ≤ 8. Bits beyond it are zero.
unsigned bits_of(ByteView exponent, std::size_t at, std::size_t count) {
  unsigned value = 0;
  for (std::size_t i = count; i-- > 0;) {
    const std::size_t byte = (at + i) / 8;
    const unsigned bit =
        byte < exponent.size() ? unsigned{exponent[exponent.size() - 1 - byte]} >> ((at + i) % 8) & 1 : 0;
    value = value << 1 | bit;
  }
  return value;
}

std::size_t bit_length(ByteView exponent) {
  const auto first = std::find_if(exponent.begin(), exponent.end(), [](std::uint8_t b) { return b != 0; });
  return 8 * static_cast<std::size_t>(exponent.end() - first);  // rounded up to bytes
}

// base^0 … base^15, Montgomery.
std::vector<Bignum> window_table(const Modulus& modulus, const BIGNUM* base, BN_CTX* context) {
  std::vector<Bignum> table;
  table.push_back(modulus.to_montgomery(BN_value_one(), context));
  table.push_back(modulus.to_montgomery(base, context));
  while (table.size() < (std::size_t{1} << kWindow)) {
    Bignum next = new_bignum();
    modulus.multiply_montgomery(next.get(), table.back().get(), table[1].get(), context);
    table.push_back(std::move(next));
  }
  return table;
}

}  // namespace

Modulus::Modulus(Bignum p) : p_(std::move(p)), montgomery_(BN_MONT_CTX_new()) {
  invariant(montgomery_ != nullptr);
  const BignumContext context = new_context();
  ensure(BN_MONT_CTX_set(montgomery_.get(), p_.get(), context.get()));
}

Bignum Modulus::to_montgomery(const BIGNUM* x, BN_CTX* context) const {
  Bignum r = new_bignum();
  ensure(BN_to_montgomery(r.get(), x, montgomery(), context));
  return r;
}

Bignum Modulus::from_montgomery(const BIGNUM* x, BN_CTX* context) const {
  Bignum r = new_bignum();
  ensure(BN_from_montgomery(r.get(), x, montgomery(), context));
  return r;
}

void Modulus::multiply_montgomery(BIGNUM* target, const BIGNUM* a, const BIGNUM* b, BN_CTX* context) const {
  ensure(BN_mod_mul_montgomery(target, a, b, montgomery(), context));
}

Bignum Modulus::multiply(const BIGNUM* a, const BIGNUM* b) const {
  const BignumContext context = new_context();
  // The multiplication removes one operand's factor 2^k.
  Bignum r = to_montgomery(a, context.get());
  multiply_montgomery(r.get(), r.get(), b, context.get());
  return r;
}

Bignum Modulus::inverse(const BIGNUM* x) const {
  // Several times faster than BN_mod_inverse.
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(p_.get())));
  mpz_t n;
  mpz_t p;
  mpz_inits(n, p, nullptr);
  write_bytes(p_.get(), bytes);
  mpz_import(p, bytes.size(), 1, 1, 0, 0, bytes.data());
  write_bytes(x, bytes);
  mpz_import(n, bytes.size(), 1, 1, 0, 0, bytes.data());
  const bool invertible = mpz_invert(n, n, p) != 0;
  invariant(invertible);
  std::size_t written = 0;
  mpz_export(bytes.data(), &written, 1, 1, 0, 0, n);
  mpz_clears(n, p, nullptr);
  Bignum r = bignum(ByteView(bytes).first(written));
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return r;
}

Comb::Comb(const Modulus& modulus, const BIGNUM* base, std::size_t bits)
    : columns_((bits + kTeeth - 1) / kTeeth) {
  const BignumContext context = new_context();
  // Entry 2^t is base^(2^(t·columns)); the others are products of two earlier ones.
  table_.push_back(nullptr);
  Bignum tooth = modulus.to_montgomery(base, context.get());
  for (std::size_t t = 0; t < kTeeth; ++t) {
    if (t > 0) {
      for (std::size_t i = 0; i < columns_; ++i)
        modulus.multiply_montgomery(tooth.get(), tooth.get(), tooth.get(), context.get());
    }
    table_.push_back(copy(tooth.get()));
    for (std::size_t i = 1; i < std::size_t{1} << t; ++i) {
      Bignum entry = new_bignum();
      modulus.multiply_montgomery(entry.get(), tooth.get(), table_[i].get(), context.get());
      table_.push_back(std::move(entry));
    }
  }
}

const BIGNUM* Comb::factor(ByteView exponent, std::size_t column) const {
  std::size_t index = 0;
  for (std::size_t t = kTeeth; t-- > 0;) index = index << 1 | bits_of(exponent, t * columns_ + column, 1);
  return table_[index].get();
}

Bignum product_of_powers(const Modulus& modulus, std::optional<CombPower> fixed,
                         std::span<const Power> powers) {
  const BignumContext context = new_context();
  std::vector<std::vector<Bignum>> tables;
  std::size_t steps = fixed ? fixed->comb->columns() : 0;
  for (const Power& power : powers) {
    tables.push_back(window_table(modulus, power.base, context.get()));
    steps = std::max(steps, bit_length(power.exponent));
  }

  // Null means one. The Montgomery form of one has fewer words than p, so OpenSSL would multiply by it in a
  // different way, which takes variable time.
  Bignum product;
  const auto multiply_by = [&](const BIGNUM* factor) {
    if (product == nullptr) {
      if (factor != nullptr) product = copy(factor);
    } else {
      modulus.multiply_montgomery(product.get(), product.get(), factor, context.get());
    }
  };
  for (std::size_t step = steps; step-- > 0;) {
    if (step + 1 < steps) multiply_by(product.get());
    if (fixed && step < fixed->comb->columns()) {
      if (const BIGNUM* const factor = fixed->comb->factor(fixed->exponent, step)) multiply_by(factor);
    }
    if (step % kWindow != 0) continue;
    for (std::size_t i = 0; i < powers.size(); ++i) {
      const unsigned digit = bits_of(powers[i].exponent, step, kWindow);
      if (digit != 0) multiply_by(tables[i][digit].get());
    }
  }
  if (product == nullptr) return copy(BN_value_one());
  return modulus.from_montgomery(product.get(), context.get());
}

}  // namespace coprotect::protocol
