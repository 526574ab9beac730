#include "protocol/threshold/tdh2.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "protocol/crypto/hash.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

Digest label(std::uint8_t n) {
  return sha256(ByteView(&n, 1));
}

class Repeating final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override { std::fill(out.begin(), out.end(), std::uint8_t{0x5a}); }
};

struct Tdh2Test : testing::TestWithParam<SuiteId> {
  const Group& group = group_of(GetParam());
  Scalar secret = Scalar::random(group.scalars(), system_random());
  PublicKey key = *PublicKey::make(group.generator_power_secret(secret));
  Element m = group.random_message(system_random());
  Ciphertext ciphertext = encrypt(key, m, label(1), system_random());

  Capsule capsule() const { return ciphertext.capsule(); }
  Element other() const { return group.random_message(system_random()); }
  Scalar one() const { return Scalar::from_u64(group.scalars(), 1); }
  Code verdict(const Capsule& c) const { return verify(key, c, label(1)).error().code(); }
};
INSTANTIATE_TEST_SUITE_P(Suites, Tdh2Test, testing::ValuesIn(kAllSuites),
                         [](const testing::TestParamInfo<SuiteId>& i) {
                           return std::string(suite_name(i.param));
                         });

TEST_P(Tdh2Test, DecryptsWithTheWholeKey) {
  const Element mask = group.power_secret(ciphertext.c1, secret);
  EXPECT_TRUE(group.multiply(ciphertext.c2, group.invert(mask)) == m);
}

TEST_P(Tdh2Test, AcceptsWhatItMade) {
  EXPECT_TRUE(verify(key, capsule(), label(1)));
  // As received.
  const Capsule made = capsule();
  const Capsule parsed = {.c1 = *group.parse(made.c1.encode()),
                          .u_bar = *group.parse(made.u_bar.encode()),
                          .c2_hash = made.c2_hash,
                          .e = made.e,
                          .f = *Scalar::parse(group.scalars(), made.f.bytes().reveal())};
  EXPECT_TRUE(verify(key, parsed, label(1)));
}

TEST_P(Tdh2Test, RefusesEveryChangedField) {
  Capsule c = capsule();
  c.c1 = other();
  EXPECT_EQ(verdict(c), Code::bad_proof);
  c = capsule();
  c.u_bar = other();
  EXPECT_EQ(verdict(c), Code::bad_proof);
  c = capsule();
  std::swap(c.c1, c.u_bar);
  EXPECT_EQ(verdict(c), Code::bad_proof);
  c = capsule();
  c.f = c.f + one();
  EXPECT_EQ(verdict(c), Code::bad_proof);
  for (const std::size_t byte : {0u, 15u, 31u}) {
    c = capsule();
    c.e[byte] ^= 1;
    EXPECT_EQ(verdict(c), Code::bad_proof);
    c = capsule();
    c.c2_hash[byte] ^= 0x80;
    EXPECT_EQ(verdict(c), Code::bad_proof);
  }
}

TEST_P(Tdh2Test, RefusesAnotherLabelOrKey) {
  EXPECT_EQ(verify(key, capsule(), label(2)).error().code(), Code::bad_proof);
  const PublicKey another = *PublicKey::make(other());
  EXPECT_EQ(verify(another, capsule(), label(1)).error().code(), Code::bad_proof);
}

// Plain ElGamal is malleable. Here c2·δ has another hash, and a ciphertext moved to another r needs a new
// proof.
TEST_P(Tdh2Test, RefusesRelatedCiphertexts) {
  Ciphertext related = {.c1 = ciphertext.c1,
                        .u_bar = ciphertext.u_bar,
                        .c2 = group.multiply(ciphertext.c2, other()),
                        .e = ciphertext.e,
                        .f = ciphertext.f.clone()};
  EXPECT_EQ(verdict(related.capsule()), Code::bad_proof);
  const Scalar delta = Scalar::random(group.scalars(), system_random());
  related.c1 = group.multiply(ciphertext.c1, group.generator_power_secret(delta));
  related.u_bar = group.multiply(ciphertext.u_bar, group.power_secret(key.g_bar(), delta));
  related.c2 = group.multiply(ciphertext.c2, group.power_secret(key.h(), delta));
  related.f = ciphertext.f + delta * Scalar::reduce(group.scalars(), ciphertext.e);
  EXPECT_EQ(verdict(related.capsule()), Code::bad_proof);
}

TEST_P(Tdh2Test, RefusesLogarithmsThatDiffer) {
  Capsule c = capsule();
  c.u_bar = group.multiply(c.u_bar, key.g_bar());
  EXPECT_EQ(verdict(c), Code::bad_proof);
}

// A sender that knows r can make both commitments of the proof the identity.
TEST_P(Tdh2Test, RefusesCommitmentsThatAreTheIdentity) {
  const Scalar r = Scalar::random(group.scalars(), system_random());
  const Challenge e = label(9);
  const Capsule c = {.c1 = group.generator_power_secret(r),
                     .u_bar = group.power_secret(key.g_bar(), r),
                     .c2_hash = label(3),
                     .e = e,
                     .f = r * Scalar::reduce(group.scalars(), e)};
  EXPECT_EQ(verdict(c), Code::bad_proof);
}

TEST_P(Tdh2Test, RefusesTheIdentityAndOtherGroups) {
  Capsule c = capsule();
  c.c1 = group.identity();
  c.u_bar = group.identity();
  EXPECT_EQ(verdict(c), Code::bad_proof);
  const Group& another = group_of(GetParam() == SuiteId::p256 ? SuiteId::ffdhe2048 : SuiteId::p256);
  c = capsule();
  c.c1 = another.random_message(system_random());
  EXPECT_EQ(verdict(c), Code::bad_proof);
  EXPECT_EQ(PublicKey::make(group.identity()).error().code(), Code::malformed);
}

TEST_P(Tdh2Test, ScalarsBeyondTheOrderDoNotParse) {
  // f + q, which satisfies the same equations. If it is one byte longer, its low bytes are another number.
  const ByteView q = group.scalars().modulus();
  const ByteView f = ciphertext.f.bytes().reveal();
  Bytes sum(f.begin(), f.end());
  unsigned carry = 0;
  for (std::size_t i = sum.size(); i-- > 0;) {
    carry += unsigned{sum[i]} + unsigned{q[i]};
    sum[i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  if (carry == 0) {
    EXPECT_EQ(Scalar::parse(group.scalars(), sum).error().code(), Code::malformed);
  } else {
    sum.insert(sum.begin(), 1);
    EXPECT_EQ(Scalar::parse(group.scalars(), sum).error().code(), Code::malformed);
  }
}

TEST_P(Tdh2Test, TheSecondGeneratorBelongsToTheKey) {
  const PublicKey another = *PublicKey::make(other());
  EXPECT_FALSE(another.g_bar() == key.g_bar());
  EXPECT_FALSE(key.g_bar() == group.generator().base());
  EXPECT_TRUE(PublicKey::make(key.h())->g_bar() == key.g_bar());
}

// With one r and s under two labels, f − f' = r·(e − e') reveals r, and m = c2·h^−r.
TEST_P(Tdh2Test, ARepeatingGeneratorGivesNothingAway) {
  Repeating stuck;
  const Ciphertext first = encrypt(key, m, label(1), stuck);
  EXPECT_TRUE(verify(key, first.capsule(), label(1)));
  EXPECT_TRUE(first.c1 == encrypt(key, m, label(1), stuck).c1);
  for (const Ciphertext& second :
       {encrypt(key, m, label(2), stuck), encrypt(key, other(), label(1), stuck)}) {
    EXPECT_FALSE(second.c1 == first.c1);
    const Scalar difference =
        Scalar::reduce(group.scalars(), first.e) - Scalar::reduce(group.scalars(), second.e);
    const Scalar r = (first.f - second.f) * difference.inverse();
    EXPECT_FALSE(group.generator_power_secret(r) == first.c1);
  }
  // r and s differ: f ≠ r·(1 + e).
  const Scalar r = first.f * (one() + Scalar::reduce(group.scalars(), first.e)).inverse();
  EXPECT_FALSE(group.generator_power_secret(r) == first.c1);
}

TEST_P(Tdh2Test, CiphertextsOfOneMessageDiffer) {
  const Ciphertext again = encrypt(key, m, label(1), system_random());
  EXPECT_FALSE(again.c1 == ciphertext.c1);
  EXPECT_FALSE(again.c2 == ciphertext.c2);
}

}  // namespace
}  // namespace coprotect::protocol
