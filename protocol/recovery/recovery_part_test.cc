#include "protocol/recovery/recovery_part.h"

#include <gtest/gtest.h>

#include "protocol/base/reader.h"
#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/group/test_suites.h"
#include "protocol/threshold/shamir.h"

namespace coprotect::protocol {
namespace {

// A generator that returns the same bytes again and again, like one restored from a snapshot.
class StuckRandom final : public Random {
 public:
  void fill(std::span<std::uint8_t> out) override { std::ranges::fill(out, std::uint8_t{0x42}); }
};

class RecoveryPartTest : public testing::TestWithParam<SuiteId> {
 protected:
  RecoveryPart made() const { return *RecoveryPart::make(statement, value, system_random()); }
  bool holds(const RecoveryPart& part, const RecoveryStatement& about) const {
    const auto checked = part.check(about, system_random());
    if (!checked) {
      EXPECT_EQ(checked.error().code(), Code::bad_proof) << checked.error().message();
    }
    return static_cast<bool>(checked);
  }
  // A part with other bytes is rejected when it is parsed or when it is checked.
  bool accepted(const Bytes& encoded) const {
    const auto part = RecoveryPart::parse(group, encoded);
    return part && holds(*part, statement);
  }
  bool closed(const Bytes& encoded, std::size_t round) const {
    return (encoded[5 + round / 8] >> (7 - round % 8) & 1) != 0;
  }
  // The offset of a round in an encoded part.
  std::size_t offset(const Bytes& encoded, std::size_t round) const {
    std::size_t at = 5 + 16 + (group.suite() == SuiteId::p256 ? 0 : 128 * group.element_size());
    for (std::size_t k = 0; k < round; ++k) at += closed(encoded, k) ? group.scalar_size() + 113 : 32;
    return at;
  }

  const Group& group = group_of(GetParam());
  const Polynomial polynomial = Polynomial::random(group, 2, system_random());
  const Scalar value = polynomial.at(3);
  const HpkePrivateKey recovery = HpkePrivateKey::generate(system_random());
  const RecoveryStatement statement{.sid = sha256(bytes_of("sid")),
                                    .dealer = 1,
                                    .index = 3,
                                    .recovery_key = recovery.public_key(),
                                    .commitments = polynomial.commitments()};
};
INSTANTIATE_TEST_SUITE_P(Suites, RecoveryPartTest, test::tested_suites(), test::suite_label);

TEST_P(RecoveryPartTest, IsCheckedByAnybodyAndOpenedByTheRecoveryKey) {
  const RecoveryPart part = made();
  EXPECT_LE(part.encoded().size(), (GetParam() == SuiteId::p256 ? 16u : 96u) * 1024);
  const auto read = RecoveryPart::parse(group, part.encoded());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->encoded(), part.encoded());
  EXPECT_TRUE(holds(*read, statement));
  const auto opened = read->open(statement, recovery);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE(*opened == value);
  EXPECT_EQ(read->open(statement, HpkePrivateKey::generate(system_random())).error().code(), Code::bad_proof);
}

TEST_P(RecoveryPartTest, HoldsForNoOtherStatement) {
  const RecoveryPart part = made();
  const auto refused = [&](auto change) {
    RecoveryStatement other = statement;
    change(other);
    return !holds(part, other);
  };
  EXPECT_TRUE(refused([](auto& s) { s.sid[31] ^= 1; }));
  EXPECT_TRUE(refused([](auto& s) { s.dealer = 2; }));
  EXPECT_TRUE(refused([](auto& s) { s.index = 2; }));
  EXPECT_TRUE(
      refused([](auto& s) { s.recovery_key = HpkePrivateKey::generate(system_random()).public_key(); }));
  EXPECT_TRUE(refused([&](auto& s) { s.commitments[0] = s.commitments[1]; }));
  EXPECT_TRUE(refused([&](auto& s) { s.commitments.pop_back(); }));
  EXPECT_TRUE(refused([&](auto& s) { s.commitments.push_back(s.commitments[0]); }));
  // Another polynomial with the same value at the index.
  EXPECT_TRUE(refused([&](auto& s) {
    const Scalar delta = Scalar::from_u64(group.scalars(), 3);
    s.commitments[0] = group.multiply(s.commitments[0], group.generator_power_secret(delta));
    s.commitments[1] = group.multiply(
        s.commitments[1], group.invert(group.generator_power_secret(Scalar::from_u64(group.scalars(), 1))));
    EXPECT_TRUE(committed_value(s.commitments, 3) == committed_value(statement.commitments, 3));
  }));
  // A statement of another suite.
  RecoveryStatement foreign = statement;
  const Group& other = group_of(GetParam() == SuiteId::p256 ? SuiteId::ffdhe2048 : SuiteId::p256);
  foreign.commitments = Polynomial::random(other, 2, system_random()).commitments();
  EXPECT_FALSE(holds(part, foreign));
  EXPECT_FALSE(part.open(foreign, recovery));
}

TEST_P(RecoveryPartTest, RefusesAnyChangedByte) {
  const Bytes encoded = made().encoded();
  // A byte of the magic, the challenge, the elements, and each field of each round; for the slow suites, of
  // some rounds.
  std::vector<std::size_t> places = {0, 4, 5, 13, 20};
  if (GetParam() != SuiteId::p256)
    for (const std::size_t k : {0u, 64u, 127u}) places.push_back(5 + 16 + (k + 1) * group.element_size() - 1);
  for (std::size_t k = 0; k < 128; k += GetParam() == SuiteId::p256 ? 8u : 32u) {
    const std::size_t at = offset(encoded, k);
    places.push_back(at + 31);
    if (!closed(encoded, k)) continue;
    for (const std::size_t inside : {0u, 32u, 65u, 97u, 112u})
      places.push_back(at + group.scalar_size() + inside);
  }
  for (const std::size_t at : places) {
    Bytes altered = encoded;
    altered[at] ^= 1;
    EXPECT_FALSE(accepted(altered)) << at;
  }
}

TEST_P(RecoveryPartTest, RefusesAnotherLength) {
  Bytes encoded = made().encoded();
  for (std::size_t size = 0; size < encoded.size(); size += size < 64 ? 1 : 997)
    EXPECT_FALSE(RecoveryPart::parse(group, ByteView(encoded).first(size))) << size;
  EXPECT_FALSE(RecoveryPart::parse(group, ByteView(encoded).first(encoded.size() - 1)));
  encoded.push_back(0);
  EXPECT_FALSE(RecoveryPart::parse(group, encoded));
  // One round fewer.
  encoded.pop_back();
  encoded.resize(offset(encoded, 127));
  EXPECT_FALSE(RecoveryPart::parse(group, encoded));
}

// Makes a dealer's possible cheats, round by round. It knows the format, and computes the challenge honestly
// over its commitments.
class HostileDealer {
 public:
  HostileDealer(const Group& group, const RecoveryStatement& statement, const Scalar& value)
      : group_(group), statement_(statement), value_(value.clone()) {
    for (std::size_t k = 0; k < 128; ++k) {
      seeds.push_back(Secret(32));
      system_random().fill(seeds[k].fill());
      exponents.push_back(exponent(k, seeds[k]));
      elements.push_back(group.generator_power_secret(exponents[k]));
      sealed.push_back(seal(k, seeds[k]));
    }
  }
  Scalar exponent(std::size_t k, const Secret& seed) const {
    Writer w;
    w.bytes(seed.reveal()).bytes(statement_.hash()).u8(static_cast<std::uint8_t>(k + 1));
    return group_.hash_to_scalar(w.view(), "CPV1-PVE-R");
  }
  Bytes seal(std::size_t k, const Secret& seed) const {
    const auto number = static_cast<std::uint8_t>(k + 1);
    Writer info;
    info.literal("CPV1-PVE").bytes(statement_.sid);
    return *hpke_seal_with(HpkePrivateKey::derive(tagged_hash(
                               "CPV1-PVE-EPH", {seed.reveal(), statement_.hash(), ByteView(&number, 1)})),
                           statement_.recovery_key, info.view(),
                           Bytes{statement_.dealer, statement_.index, number}, seed.reveal());
  }
  ByteArray<16> challenge() const {
    Writer rounds;
    for (std::size_t k = 0; k < 128; ++k) rounds.bytes(elements[k].encode()).bytes(sealed[k]);
    const Digest hash = tagged_hash("CPV1-PVE-E", {statement_.hash(), sha256(rounds.view())});
    ByteArray<16> e;
    std::copy_n(hash.begin(), 16, e.begin());
    return e;
  }
  Bytes encode(const ByteArray<16>& e) const {
    Writer w;
    w.literal("CPRV\x01").bytes(e);
    if (group_.suite() != SuiteId::p256)
      for (const Element& element : elements) w.bytes(element.encode());
    for (std::size_t k = 0; k < 128; ++k) {
      if ((e[k / 8] >> (7 - k % 8) & 1) != 0)
        w.bytes((exponents[k] + value_).bytes().reveal()).bytes(sealed[k]);
      else
        w.bytes(seeds[k].reveal());
    }
    return std::move(w).take();
  }

  std::vector<Secret> seeds;
  std::vector<Scalar> exponents;
  std::vector<Element> elements;
  std::vector<Bytes> sealed;

 private:
  const Group& group_;
  const RecoveryStatement& statement_;
  Scalar value_;
};

TEST_P(RecoveryPartTest, ADealerThatFollowsTheRulesByHandIsAccepted) {
  const HostileDealer dealer(group, statement, value);
  EXPECT_TRUE(accepted(dealer.encode(dealer.challenge())));
}

TEST_P(RecoveryPartTest, RefusesAnotherValue) {
  const HostileDealer dealer(group, statement, Scalar::random(group.scalars(), system_random()));
  EXPECT_FALSE(accepted(dealer.encode(dealer.challenge())));
}

// One round that cannot be opened is found if the challenge opens it. Otherwise the part is still valid,
// because the other rounds open.
TEST_P(RecoveryPartTest, OneBadRoundIsFoundOrDoesNotMatter) {
  for (int i = 0; i < 4; ++i) {
    HostileDealer dealer(group, statement, value);
    dealer.sealed[7] = dealer.seal(7, Secret(32));
    const auto e = dealer.challenge();
    const Bytes encoded = dealer.encode(e);
    EXPECT_EQ(accepted(encoded), closed(encoded, 7));
    if (closed(encoded, 7)) {
      EXPECT_TRUE(*RecoveryPart::parse(group, encoded)->open(statement, recovery) == value);
    }
  }
}

// Every round is sealed to another key, so an opened round cannot be reproduced.
TEST_P(RecoveryPartTest, RefusesSeedsThatAreSealedToAnotherKey) {
  RecoveryStatement other = statement;
  other.recovery_key = HpkePrivateKey::generate(system_random()).public_key();
  const HostileDealer elsewhere(group, other, value);
  HostileDealer dealer(group, statement, value);
  dealer.sealed = elsewhere.sealed;
  EXPECT_FALSE(accepted(dealer.encode(dealer.challenge())));
}

// The dealer guesses the challenge. It makes every round that it expects to be shown valid, and every other
// one invalid. Its part looks like a successful cheat, and differs from a valid one only in the challenge.
TEST_P(RecoveryPartTest, RefusesAllShownGoodAndAllClosedBadUnlessTheChallengeWasGuessed) {
  HostileDealer dealer(group, statement, value);
  ByteArray<16> guessed;
  system_random().fill(guessed);
  for (std::size_t k = 0; k < 128; ++k)
    if ((guessed[k / 8] >> (7 - k % 8) & 1) != 0) dealer.sealed[k] = dealer.seal(k, Secret(32));
  const Bytes encoded = dealer.encode(guessed);
  const auto part = RecoveryPart::parse(group, encoded);
  ASSERT_TRUE(part);
  EXPECT_FALSE(holds(*part, statement));
  EXPECT_FALSE(part->open(statement, recovery));
  // Also with the resulting challenge.
  EXPECT_FALSE(accepted(dealer.encode(dealer.challenge())));
}

TEST_P(RecoveryPartTest, RefusesElementsOutsideTheGroup) {
  if (GetParam() == SuiteId::p256) return;  // contains none
  const Bytes encoded = made().encoded();
  // p − R: of order 2q, where R is of order q.
  Bytes p(group.scalar_size());
  unsigned carry = 1;
  for (std::size_t i = p.size(); i-- > 0;) {
    carry += 2u * unsigned{group.scalars().modulus()[i]};
    p[i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  Bytes altered = encoded;
  int borrow = 0;
  for (std::size_t i = p.size(); i-- > 0;) {
    const int d = int{p[i]} - int{encoded[21 + i]} - borrow;
    altered[21 + i] = static_cast<std::uint8_t>(d & 0xff);
    borrow = d < 0 ? 1 : 0;
  }
  EXPECT_FALSE(RecoveryPart::parse(group, altered));
  for (const std::uint8_t small : {std::uint8_t{0}, std::uint8_t{1}}) {
    altered = encoded;
    std::fill_n(altered.begin() + 21, p.size(), std::uint8_t{0});
    altered[21 + p.size() - 1] = small;
    EXPECT_FALSE(RecoveryPart::parse(group, altered)) << int{small};
  }
}

TEST_P(RecoveryPartTest, AValueThatIsTheSumMakesNoIdentity) {
  // v_k = f(j) means R_k = 1, which has no encoding.
  HostileDealer dealer(group, statement, value);
  for (auto& x : dealer.exponents) x = Scalar::from_u64(group.scalars(), 0);
  EXPECT_FALSE(accepted(dealer.encode(dealer.challenge())));
}

// If the generator repeats itself, the same statement gives the same part, and another one gives unrelated
// seeds. With equal seeds, a round shown in one part and closed in the other would reveal the value.
TEST_P(RecoveryPartTest, ARepeatingGeneratorGivesNothingAway) {
  StuckRandom stuck;
  const auto first = *RecoveryPart::make(statement, value, stuck);
  EXPECT_EQ(RecoveryPart::make(statement, value, stuck)->encoded(), first.encoded());
  RecoveryStatement other = statement;
  other.sid[0] ^= 1;
  const auto second = *RecoveryPart::make(other, value, stuck);
  std::vector<Bytes> shown;
  const auto collect = [&](const Bytes& encoded) {
    for (std::size_t k = 0; k < 128; ++k) {
      const auto at = encoded.begin() + static_cast<std::ptrdiff_t>(offset(encoded, k));
      if (!closed(encoded, k)) shown.emplace_back(at, at + 32);
    }
  };
  collect(first.encoded());
  collect(second.encoded());
  for (const auto& [encoded, about] : {std::pair{first.encoded(), statement}, {second.encoded(), other}}) {
    const HostileDealer again(group, about, value);
    for (std::size_t k = 0; k < 128; ++k) {
      if (!closed(encoded, k)) continue;
      const ByteView sum = ByteView(encoded).subspan(offset(encoded, k), group.scalar_size());
      for (const Bytes& seed : shown) {
        const Scalar guess = *Scalar::parse(group.scalars(), sum) - again.exponent(k, Secret::copy_of(seed));
        ASSERT_FALSE(guess == value);
      }
    }
  }
  std::ranges::sort(shown);
  EXPECT_EQ(std::ranges::adjacent_find(shown), shown.end());
}

TEST_P(RecoveryPartTest, NothingIsSealedToSomethingThatIsNoKey) {
  RecoveryStatement other = statement;
  other.recovery_key[64] ^= 1;
  EXPECT_EQ(RecoveryPart::make(other, value, system_random()).error().code(), Code::malformed);
}

}  // namespace
}  // namespace coprotect::protocol
