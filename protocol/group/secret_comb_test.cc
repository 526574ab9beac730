#include "protocol/group/secret_comb.h"

#include <gtest/gtest.h>

#include "protocol/group/group.h"

namespace coprotect::protocol {
namespace {

Bytes to_fixed(const mpz_t n, std::size_t size) {
  Bytes bytes(size);
  const std::size_t used = (mpz_sizeinbase(n, 2) + 7) / 8;
  mpz_export(bytes.data() + (size - used), nullptr, 1, 1, 0, 0, n);
  return bytes;
}

// Against GMP's own exponentiation, for exponents at every edge of the comb's rows, and random ones.
TEST(SecretComb, RaisesAsAGeneralExponentiationDoes) {
  for (const SuiteId suite : {SuiteId::ffdhe2048, SuiteId::ffdhe3072, SuiteId::ffdhe4096}) {
    const ScalarField& field = group_of(suite).scalars();
    const std::size_t size = field.size();
    mpz_t p, base, exponent, expected;
    mpz_inits(p, base, exponent, expected, nullptr);
    mpz_import(p, size, 1, 1, 0, 0, field.modulus().data());
    mpz_mul_2exp(p, p, 1);
    mpz_add_ui(p, p, 1);
    for (const unsigned b : {2u, 7u}) {
      mpz_set_ui(base, b);
      const SecretComb comb(to_fixed(p, size), to_fixed(base, size));
      const auto check = [&] {
        mpz_powm(expected, base, exponent, p);
        EXPECT_EQ(to_hex(comb.power(to_fixed(exponent, size)).reveal()), to_hex(to_fixed(expected, size)));
      };
      for (const unsigned small : {0u, 1u, 2u, 3u}) {
        mpz_set_ui(exponent, small);
        check();
      }
      for (std::size_t bit = 1; bit < 8 * size; bit += 61) {
        mpz_set_ui(exponent, 1);
        mpz_mul_2exp(exponent, exponent, bit);
        check();
        mpz_sub_ui(exponent, exponent, 1);
        check();
      }
      mpz_sub_ui(exponent, p, 1);
      check();
      for (int i = 0; i < 10; ++i) {
        Bytes random(size - 1);
        system_random().fill(random);
        mpz_import(exponent, random.size(), 1, 1, 0, 0, random.data());
        check();
      }
    }
    mpz_clears(p, base, exponent, expected, nullptr);
  }
}

}  // namespace
}  // namespace coprotect::protocol
