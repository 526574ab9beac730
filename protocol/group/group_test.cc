#include "protocol/group/group.h"

#include <gmp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "protocol/base/arena.h"
#include "protocol/group/test_suites.h"
#include "protocol/testdata/vectors.h"

namespace coprotect::protocol {
namespace {

class GroupTest : public testing::TestWithParam<SuiteId> {
 protected:
  const Group& group() const { return group_of(GetParam()); }
  bool modp() const { return GetParam() != SuiteId::p256; }
  Scalar random_scalar() const { return Scalar::random(group().scalars(), system_random()); }
  Scalar of(std::uint64_t value) const { return Scalar::from_u64(group().scalars(), value); }
  Element random_element() const { return group().generator_power_secret(random_scalar()); }
  const Element& g() const { return group().generator().base(); }
  static Bytes public_bytes(const Scalar& x) {
    return {x.bytes().reveal().begin(), x.bytes().reveal().end()};
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, GroupTest, testing::ValuesIn(kAllSuites), test::suite_label);

TEST(Suite, IsKnownByNumberAndName) {
  for (const SuiteId suite : kAllSuites) {
    EXPECT_EQ(*parse_suite(static_cast<std::uint16_t>(suite)), suite);
    EXPECT_EQ(*suite_by_name(suite_name(suite)), suite);
    EXPECT_EQ(group_of(suite).suite(), suite);
  }
  EXPECT_EQ(parse_suite(0x0011).error().code(), Code::malformed);
  EXPECT_EQ(suite_by_name("P256").error().code(), Code::malformed);
}

TEST_P(GroupTest, HasTheSizesOfTheSpecification) {
  struct Sizes {
    std::size_t element, scalar, wide;
  };
  const std::map<SuiteId, Sizes> expected = {{SuiteId::p256, {33, 32, 48}},
                                             {SuiteId::ffdhe2048, {256, 256, 272}},
                                             {SuiteId::ffdhe3072, {384, 384, 400}},
                                             {SuiteId::ffdhe4096, {512, 512, 528}}};
  EXPECT_EQ(group().element_size(), expected.at(GetParam()).element);
  EXPECT_EQ(group().scalar_size(), expected.at(GetParam()).scalar);
  EXPECT_EQ(group().wide_size(), expected.at(GetParam()).wide);
}

TEST_P(GroupTest, GeneratorHasOrderQ) {
  const Bytes q(group().scalars().modulus().begin(), group().scalars().modulus().end());
  EXPECT_TRUE(group().power_public(g(), q).is_identity());
  EXPECT_TRUE(group().power_public(random_element(), q).is_identity());
  EXPECT_TRUE(group().generator_power_secret(of(1)) == g());
}

TEST_P(GroupTest, ParsesWhatItEncodes) {
  const Element x = random_element();
  EXPECT_EQ(x.encode().size(), group().element_size());
  const auto y = group().parse(x.encode());
  ASSERT_TRUE(y);
  EXPECT_TRUE(x == *y);
  // A parsed element keeps its encoding. Results computed from it have their own.
  EXPECT_EQ(Element(*y).encode(), x.encode());
  EXPECT_EQ(group().fixed_base(*y)->base().encode(), x.encode());
  EXPECT_EQ(group().invert(*y).encode(), group().invert(x).encode());
  EXPECT_NE(group().invert(*y).encode(), x.encode());
  EXPECT_EQ(group().multiply(*y, *y).encode(), group().multiply(x, x).encode());
  const Secret secret = x.encode_secret();
  EXPECT_TRUE(equal_in_constant_time(secret.reveal(), x.encode()));
  EXPECT_TRUE(locked_memory::contains(secret.reveal().data()));
}

TEST_P(GroupTest, RefusesAnotherWidth) {
  Bytes bytes = random_element().encode();
  bytes.push_back(0);
  EXPECT_EQ(group().parse(bytes).error().code(), Code::malformed);
  EXPECT_FALSE(group().parse(ByteView(bytes).first(bytes.size() - 2)));
  EXPECT_FALSE(group().parse({}));
  EXPECT_FALSE(group().parse(Bytes(1)));
  bytes.pop_back();
  bytes.insert(bytes.begin(), 0);
  EXPECT_FALSE(group().parse(bytes));
}

TEST_P(GroupTest, HasAnIdentityThatProductsMayHit) {
  const Element x = random_element();
  const Element one = group().multiply(x, group().invert(x));
  EXPECT_TRUE(one.is_identity());
  EXPECT_TRUE(one == group().identity());
  EXPECT_FALSE(x.is_identity());
  EXPECT_TRUE(group().multiply(x, one) == x);
  EXPECT_TRUE(group().multiply(one, x) == x);
  EXPECT_TRUE(group().multiply(one, one).is_identity());
  EXPECT_TRUE(group().multiply_secret(x, one) == x);
  EXPECT_TRUE(group().divide_secret(one, x) == group().invert(x));
  EXPECT_TRUE(group().divide_secret(x, x).is_identity());
  EXPECT_TRUE(group().invert(one).is_identity());
  EXPECT_TRUE(group().power_secret(one, random_scalar()).is_identity());
  EXPECT_TRUE(group().power_secret(x, of(0)).is_identity());
  EXPECT_TRUE(group().generator_power_secret(of(0)).is_identity());
  EXPECT_TRUE(group().power_public(one, Bytes{3}).is_identity());
  EXPECT_TRUE(group().power_public(x, Bytes{}).is_identity());
  const auto r = public_bytes(of(5));
  EXPECT_TRUE(group().generator().power_times_power(r, one, r) == group().power_public(g(), r));
  // g^5 · (g^5)^−1, which a forger could choose.
  const Element g5 = group().generator_power_secret(of(5));
  EXPECT_TRUE(group().generator().power_times_inverse_power(r, g5, Bytes{1}).is_identity());
}

TEST_P(GroupTest, PowersAgree) {
  const Element x = random_element();
  const Scalar a = random_scalar();
  const Scalar b = random_scalar();
  const Element xa = group().power_secret(x, a);
  EXPECT_TRUE(group().power_public(x, public_bytes(a)) == xa);
  EXPECT_TRUE(group().multiply(xa, group().power_secret(x, b)) == group().power_secret(x, a + b));
  EXPECT_TRUE(group().power_secret(xa, b) == group().power_secret(x, a * b));
  EXPECT_TRUE(group().generator_power_secret(a) == group().power_secret(g(), a));
  EXPECT_TRUE(group().power_secret(x, of(0) - of(1)) == group().invert(x));
  EXPECT_TRUE(group().multiply(x, x) == group().power_public(x, Bytes{2}));
}

TEST_P(GroupTest, FixedBasesAgreeBeforeAndAfterTheirTable) {
  const Element base = random_element();
  const Element x = random_element();
  const auto fixed = group().fixed_base(base);
  EXPECT_TRUE(fixed->base() == base);
  const int rounds = modp() ? 3 : 100;
  for (int round = 0; round < rounds; ++round) {
    const Scalar f = random_scalar();
    const Scalar e = random_scalar();
    const Bytes short_e = {7, 0, static_cast<std::uint8_t>(round)};
    for (const Bytes& exponent : {public_bytes(e), short_e}) {
      const Element power = group().power_public(x, exponent);
      const Element base_power = group().power_public(base, public_bytes(f));
      EXPECT_TRUE(fixed->power_times_power(public_bytes(f), x, exponent) ==
                  group().multiply(base_power, power));
      EXPECT_TRUE(fixed->power_times_inverse_power(public_bytes(f), x, exponent) ==
                  group().multiply(base_power, group().invert(power)));
    }
  }
}

TEST_P(GroupTest, TakesChallengesOfAnyValue) {
  // In p256 a challenge can equal or exceed the order.
  const Bytes top(32, 0xff);
  const Element x = random_element();
  const Element expected = group().power_secret(x, Scalar::reduce(group().scalars(), top));
  EXPECT_TRUE(group().power_public(x, top) == expected);
  EXPECT_TRUE(group().generator().power_times_power({}, x, top) == expected);
  EXPECT_TRUE(group().generator().power_times_inverse_power({}, x, top) == group().invert(expected));
}

TEST_P(GroupTest, ProductOfPowersIsTheProduct) {
  std::vector<Element> bases;
  std::vector<Bytes> exponents;
  Element expected = group().identity();
  EXPECT_TRUE(group().product_of_powers_public(bases, exponents).is_identity());
  for (int i = 0; i < 5; ++i) {
    bases.push_back(random_element());
    exponents.push_back(i == 2 ? Bytes{0, 3} : public_bytes(random_scalar()));
    expected = group().multiply(expected, group().power_public(bases.back(), exponents.back()));
    EXPECT_TRUE(group().product_of_powers_public(bases, exponents) == expected);
  }
}

TEST_P(GroupTest, MessagesAreMembers) {
  const Element m = group().random_message(system_random());
  EXPECT_TRUE(group().parse(m.encode()));
  EXPECT_FALSE(m == group().random_message(system_random()));
}

TEST_P(GroupTest, HashesToMembers) {
  const auto x = group().hash_to_element(bytes_of("message"), "CPV1-TEST");
  ASSERT_TRUE(x);
  EXPECT_TRUE(group().parse(x->encode()));
  EXPECT_FALSE(*x == *group().hash_to_element(bytes_of("message"), "CPV1-TEST2"));
  EXPECT_FALSE(*x == *group().hash_to_element(bytes_of("messagf"), "CPV1-TEST"));
  EXPECT_FALSE(group().hash_to_scalar(bytes_of("a"), "D") == group().hash_to_scalar(bytes_of("b"), "D"));
  EXPECT_FALSE(group().hash_to_scalar(bytes_of("a"), "D") == group().hash_to_scalar(bytes_of("a"), "E"));
}

TEST_P(GroupTest, ServesSeveralThreads) {
  const auto fixed = group().fixed_base(random_element());
  const Element x = random_element();
  const Scalar a = random_scalar();
  const Element expected = fixed->power_times_power(public_bytes(a), x, public_bytes(a));
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < (modp() ? 2 : 40); ++i) {
        if (!(fixed->power_times_power(public_bytes(a), x, public_bytes(a)) == expected)) std::abort();
      }
    });
  }
}

TEST(P256, RefusesWhatIsNotACompressedPoint) {
  const Group& group = group_of(SuiteId::p256);
  const Bytes valid = group.generator().base().encode();
  for (const int tag : {0x00, 0x01, 0x04, 0x05, 0x06, 0x07, 0xff}) {
    Bytes bytes = valid;
    bytes[0] = static_cast<std::uint8_t>(tag);
    EXPECT_EQ(group.parse(bytes).error().code(), Code::malformed) << tag;
  }
  // x = 5 is on the curve, x = 1 is not (1 − 3 + b is no square), p + 5 and p are not field elements.
  const auto at = [](std::string_view x) { return *from_hex("02" + std::string(x)); };
  const std::string p = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
  EXPECT_TRUE(group.parse(at(std::string(63, '0') + "5")));
  EXPECT_FALSE(group.parse(at(std::string(63, '0') + "1")));
  EXPECT_FALSE(group.parse(at(p)));
  EXPECT_FALSE(group.parse(at("ffffffff00000001000000000000000000000001000000000000000000000004")));
  EXPECT_FALSE(group.parse(at(std::string(64, 'f'))));
  const Bytes infinity(33);
  EXPECT_FALSE(group.parse(infinity));
  EXPECT_FALSE(group.parse(ByteView(infinity).first(1)));
  // The uncompressed and the hybrid form of the generator (SEC 2 §2.4.2).
  const std::string uncompressed =
      "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
  EXPECT_FALSE(group.parse(*from_hex(uncompressed)));
  EXPECT_FALSE(group.parse(*from_hex("07" + uncompressed.substr(2))));
}

TEST(P256, HashesToTheCurveAsRfc9380) {
  const Group& group = group_of(SuiteId::p256);
  for (const auto& vector : testdata::read_vectors("rfc9380_p256.vec")) {
    const auto point = group.hash_to_element(vector.hex("msg"), vector.text("dst"));
    ASSERT_TRUE(point) << vector.where();
    EXPECT_EQ(to_hex(point->encode()), vector.text("P")) << vector.where();
  }
}

class ModpTest : public testing::TestWithParam<SuiteId> {
 protected:
  ModpTest() { mpz_inits(p_, x_, nullptr); }
  ~ModpTest() override { mpz_clears(p_, x_, nullptr); }
  void SetUp() override {
    // p = 2q + 1
    mpz_import(p_, group().scalar_size(), 1, 1, 0, 0, group().scalars().modulus().data());
    mpz_mul_2exp(p_, p_, 1);
    mpz_add_ui(p_, p_, 1);
  }
  const Group& group() const { return group_of(GetParam()); }
  Bytes encoded(const mpz_t n) const {
    Bytes bytes(group().element_size());
    std::size_t count = 0;
    Bytes raw((mpz_sizeinbase(n, 2) + 7) / 8 + 1);
    mpz_export(raw.data(), &count, 1, 1, 0, 0, n);
    std::copy_n(raw.begin(), count, bytes.end() - static_cast<std::ptrdiff_t>(count));
    return bytes;
  }
  bool accepts(const mpz_t n) const { return static_cast<bool>(group().parse(encoded(n))); }

  mpz_t p_;
  mpz_t x_;
};
INSTANTIATE_TEST_SUITE_P(Suites, ModpTest,
                         testing::Values(SuiteId::ffdhe2048, SuiteId::ffdhe3072, SuiteId::ffdhe4096),
                         test::suite_label);

TEST_P(ModpTest, PrimeIsSafeAndThatOfRfc7919) {
  // p = 2^b − 2^(b−64) + (⌊2^(b−130)·e⌋ + X)·2^64 − 1 (RFC 7919 appendix A), e = Σ 1/k!.
  const std::map<SuiteId, unsigned long> kX = {
      {SuiteId::ffdhe2048, 560316}, {SuiteId::ffdhe3072, 2625351}, {SuiteId::ffdhe4096, 5736041}};
  const auto bits = static_cast<mp_bitcnt_t>(8 * group().element_size());
  constexpr mp_bitcnt_t kGuard = 64;
  mpz_t term;
  mpz_t expected;
  mpz_inits(term, expected, nullptr);
  mpz_setbit(term, bits - 130 + kGuard);
  for (unsigned long k = 1; mpz_sgn(term) != 0; ++k) {
    mpz_add(expected, expected, term);
    mpz_fdiv_q_ui(term, term, k);
  }
  mpz_fdiv_q_2exp(expected, expected, kGuard);
  mpz_add_ui(expected, expected, kX.at(GetParam()));
  mpz_mul_2exp(expected, expected, 64);
  mpz_sub_ui(expected, expected, 1);
  for (const auto& [bit, sign] : {std::pair(bits, 1), std::pair(bits - 64, -1)}) {
    mpz_set_ui(term, 0);
    mpz_setbit(term, bit);
    sign > 0 ? mpz_add(expected, expected, term) : mpz_sub(expected, expected, term);
  }
  EXPECT_EQ(mpz_cmp(expected, p_), 0);
  EXPECT_NE(mpz_probab_prime_p(p_, 5), 0);
  mpz_fdiv_q_2exp(x_, p_, 1);
  EXPECT_NE(mpz_probab_prime_p(x_, 5), 0);
  mpz_clears(term, expected, nullptr);
}

TEST_P(ModpTest, RefusesWhatIsNotAMember) {
  for (const unsigned long small : {0ul, 1ul}) {
    mpz_set_ui(x_, small);
    EXPECT_FALSE(accepts(x_)) << small;
  }
  mpz_set_ui(x_, 2);
  EXPECT_TRUE(accepts(x_));
  mpz_set_ui(x_, 4);
  EXPECT_TRUE(accepts(x_));
  mpz_sub_ui(x_, p_, 1);
  EXPECT_FALSE(accepts(x_));
  mpz_sub_ui(x_, p_, 2);  // −2: −1 is no square, for p = 3 mod 4
  EXPECT_FALSE(accepts(x_));
  EXPECT_FALSE(accepts(p_));
  for (const unsigned long beyond : {1ul, 2ul, 4ul}) {
    mpz_add_ui(x_, p_, beyond);
    EXPECT_FALSE(accepts(x_)) << beyond;
  }
  EXPECT_FALSE(group().parse(Bytes(group().element_size(), 0xff)));
}

TEST_P(ModpTest, RefusesNonResidues) {
  const Element member = group().random_message(system_random());
  mpz_import(x_, group().element_size(), 1, 1, 0, 0, member.encode().data());
  EXPECT_TRUE(accepts(x_));
  mpz_sub(x_, p_, x_);
  EXPECT_FALSE(accepts(x_));
}

TEST(GroupDeathTest, TheIdentityHasNoEncoding) {
  EXPECT_EXIT(group_of(SuiteId::p256).identity().encode(), testing::KilledBySignal(SIGABRT), "");
  EXPECT_EXIT(group_of(SuiteId::ffdhe2048).identity().encode(), testing::KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace coprotect::protocol
