// Complete key generations, and a dealer's errors for messages at the wrong time or from the wrong party.

#include "protocol/dkg/dealer.h"

#include <gtest/gtest.h>

#include "protocol/dkg/test_forger.h"
#include "protocol/group/test_suites.h"
#include "protocol/testdata/fixed_random.h"
#include "protocol/threshold/partial.h"

namespace coprotect::protocol {
namespace {

using test::Layout;
using test::TestCeremony;

class DealerTest : public testing::TestWithParam<SuiteId> {};
INSTANTIATE_TEST_SUITE_P(Suites, DealerTest, test::tested_suites(), test::suite_label);

// Calls visit with every quorum of t of the indices 1..n.
template <typename F>
void for_each_quorum(std::uint8_t t, std::uint8_t n, F visit) {
  for (unsigned set = 0; set < (1u << n); ++set) {
    if (std::popcount(set) != t) continue;
    std::vector<std::uint8_t> quorum;
    for (std::uint8_t index = 1; index <= n; ++index) {
      if ((set >> (index - 1) & 1) != 0) quorum.push_back(index);
    }
    visit(quorum);
  }
}

void expect_key_works(const TestCeremony::Run& run) {
  const Bundle& bundle = run.bundle;
  const Group& group = bundle.group();
  const Element m = group.random_message(system_random());
  const Ciphertext ciphertext = encrypt(bundle.public_key(), m, Digest{}, system_random());
  std::vector<Element> partials;
  for (const auto& [index, share] : run.shares) {
    EXPECT_EQ(group.generator_power_secret(share), bundle.public_share(index));
    partials.push_back(group.power_secret(ciphertext.c1, share));
  }
  ASSERT_EQ(partials.size(), bundle.parameters()->n);
  for_each_quorum(bundle.parameters()->t, bundle.parameters()->n,
                  [&](const std::vector<std::uint8_t>& quorum) {
                    std::vector<IndexedPartial> chosen;
                    for (const std::uint8_t index : quorum)
                      chosen.push_back({.index = index, .value = partials[index - 1u]});
                    EXPECT_EQ(must(combine(ciphertext.c2, chosen)), m);
                  });
}

TEST_P(DealerTest, EveryQuorumOfTheDefaultLayoutDecrypts) {
  expect_key_works(TestCeremony(GetParam()).run());
}
TEST_P(DealerTest, OneOfOne) {
  expect_key_works(TestCeremony(GetParam(), {1, {{"cloud", {1}}}}).run());
}
TEST_P(DealerTest, OneOfTwo) {
  expect_key_works(TestCeremony(GetParam(), {1, {{"cloud", {1}}, {"company", {2}}}}).run());
}
TEST_P(DealerTest, TwoOfTwo) {
  expect_key_works(TestCeremony(GetParam(), {2, {{"cloud", {1}}, {"company", {2}}}}).run());
}
TEST_P(DealerTest, ThreeOfFiveWithAPartyHoldingTwo) {
  const Layout layout{3, {{"cloud-a", {1}}, {"company", {2, 5}}, {"cloud-b", {3}}, {"recovery", {4}}}};
  expect_key_works(TestCeremony(GetParam(), layout).run());
}
TEST_P(DealerTest, SixteenOfSixteenInOnePartyEach) {
  Layout layout{16, {}};
  for (std::uint8_t i = 1; i <= 16; ++i) layout.parties.push_back({"party-" + std::to_string(i), {i}});
  if (GetParam() != SuiteId::p256)
    layout = {16, {{"cloud", {1, 3, 5, 7, 9, 11, 13, 15}}, {"company", {2, 4, 6, 8, 10, 12, 14, 16}}}};
  expect_key_works(TestCeremony(GetParam(), layout).run());
}
TEST(Dealer, TwoOfSixteenInTwoParties) {
  const Layout layout{2, {{"cloud", {1, 2, 3, 4, 5, 6, 7, 8}}, {"company", {9, 10, 11, 12, 13, 14, 15, 16}}}};
  expect_key_works(TestCeremony(SuiteId::p256, layout).run());
}

TEST_P(DealerTest, AllPartiesSeeOneKey) {
  const auto run = TestCeremony(GetParam()).run();
  for (const Dealer::Outcome& outcome : run.outcomes) {
    EXPECT_EQ(outcome.transcript.key_id(), run.bundle.key_id());
    // The recovery party gets nothing: agents keep its parts.
    EXPECT_EQ(outcome.shares.size(), outcome.parts ? 1u : 0u);
    EXPECT_EQ(outcome.transcript.parts_hash(), run.bundle.sharing().recovery->parts_hash);
    if (outcome.parts) {
      EXPECT_TRUE(outcome.parts->check(run.bundle.sharing(), system_random()));
    }
  }
}

// a_0 repeats, and so do its public values. Everything else differs in another ceremony.
TEST_P(DealerTest, AStuckGeneratorRepeatsNoPolynomial) {
  StuckRandom stuck;
  const auto reveal_of = [&](const TestCeremony& ceremony) {
    const HpkePrivateKey& key = ceremony.ceremony_keys[0];
    Dealer dealer = must(Dealer::start(ceremony.parameters, 0, ceremony.identity_keys[0],
                                       must(HpkePrivateKey::from_scalar(key.scalar().reveal())), stuck));
    const std::vector<Bytes> commits{dealer.commit(), ceremony.dealer(1).commit(),
                                     ceremony.dealer(2).commit()};
    const Bytes message = must(dealer.reveal(commits));
    const Bytes body = must(CeremonyMessage::parse(message, Round::reveal, ceremony.parameters)).body;
    return must(Reveal::parse(body, ceremony.parameters));
  };
  const TestCeremony ceremony(GetParam());
  const Reveal first = reveal_of(ceremony);
  EXPECT_EQ(first.encode(), reveal_of(ceremony).encode());
  const Reveal other = reveal_of(TestCeremony(GetParam()));
  EXPECT_EQ(other.commitments[0], first.commitments[0]);
  EXPECT_NE(other.commitments[1], first.commitments[1]);
  EXPECT_NE(other.pop_r, first.pop_r);
  EXPECT_NE(other.rho, first.rho);
}

class Rounds : public testing::Test {
 protected:
  static void expect_conflict(const Result<Bytes>& result) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), Code::conflict);
  }
  // The error of a dealer that expects round 1, for a set of messages.
  Error refusal(const std::vector<Bytes>& commits) {
    Dealer dealer = ceremony.dealer(0);
    std::vector<Bytes> all{dealer.commit()};
    all.insert(all.end(), commits.begin(), commits.end());
    auto reveal = dealer.reveal(all);
    if (reveal) ADD_FAILURE() << "accepted";
    return reveal ? Error(Code::internal, "") : reveal.error();
  }
  void expect_refused(const std::vector<Bytes>& commits, Code code, const std::string& cause) {
    const Error error = refusal(commits);
    EXPECT_EQ(error.code(), code) << error.message();
    EXPECT_NE(error.message().find(cause), std::string::npos) << error.message();
  }

  TestCeremony ceremony{SuiteId::p256};
  Bytes company = ceremony.dealer(1).commit();
  Bytes recovery = ceremony.dealer(2).commit();
};

TEST_F(Rounds, StartNeedsTheKeysOfTheParameters) {
  const auto start = [&](std::size_t self, std::size_t identity, std::size_t ceremony_key) {
    return Dealer::start(
        ceremony.parameters, self, ceremony.identity_keys[identity],
        must(HpkePrivateKey::from_scalar(ceremony.ceremony_keys[ceremony_key].scalar().reveal())),
        system_random());
  };
  EXPECT_TRUE(start(1, 1, 1));
  EXPECT_EQ(start(1, 0, 1).error().code(), Code::malformed);
  EXPECT_EQ(start(1, 1, 0).error().code(), Code::malformed);
  EXPECT_EQ(start(3, 0, 0).error().code(), Code::malformed);
}

TEST_F(Rounds, CallsOutOfOrderAreConflicts) {
  Dealer a = ceremony.dealer(0);
  Dealer b = ceremony.dealer(1);
  Dealer c = ceremony.dealer(2);
  expect_conflict(a.reveal({}));
  const std::vector<Bytes> commits{a.commit(), b.commit(), c.commit()};
  EXPECT_EQ(a.commit(), commits[0]);  // again, the same message
  expect_conflict(a.deal({}));
  const std::vector<Bytes> reveals{must(a.reveal(commits)), must(b.reveal(commits)), must(c.reveal(commits))};
  expect_conflict(a.reveal(commits));
  EXPECT_EQ(a.receive({}).error().code(), Code::conflict);
  const std::vector<Bytes> deals{must(a.deal(reveals)), must(b.deal(reveals)), must(c.deal(reveals))};
  expect_conflict(a.deal(reveals));
  ASSERT_TRUE(a.receive(deals));
  EXPECT_EQ(a.receive(deals).error().code(), Code::conflict);
  expect_conflict(a.reveal(commits));
}

TEST_F(Rounds, AnErrorEndsTheCeremony) {
  Dealer dealer = ceremony.dealer(0);
  const Bytes own = dealer.commit();
  ASSERT_FALSE(dealer.reveal(std::vector<Bytes>{own}));
  expect_conflict(dealer.reveal(std::vector<Bytes>{own, company, recovery}));
}

TEST_F(Rounds, OrderAndRepetitionDoNotMatter) {
  Dealer dealer = ceremony.dealer(0);
  const Bytes own = dealer.commit();
  EXPECT_TRUE(dealer.reveal(std::vector<Bytes>{recovery, company, own, company}));
}

TEST_F(Rounds, RefusesAMissingMessage) {
  expect_refused({company}, Code::malformed, "party \"recovery\": no message of round 1");
}
TEST_F(Rounds, RefusesASecondDifferentMessage) {
  expect_refused({company, recovery, ceremony.dealer(1).commit()}, Code::bad_proof,
                 "party \"company\": two different messages");
}
TEST_F(Rounds, RefusesAnotherMessageInItsOwnName) {
  Dealer dealer = ceremony.dealer(0);
  dealer.commit();
  const auto reveal = dealer.reveal(std::vector<Bytes>{ceremony.dealer(0).commit(), company, recovery});
  ASSERT_FALSE(reveal);
  EXPECT_EQ(reveal.error().message(), "party \"cloud\": not the message that it sent");
}
TEST_F(Rounds, RefusesAMessageOfAnotherCeremony) {
  const TestCeremony other(SuiteId::p256);
  expect_refused({company, other.dealer(2).commit()}, Code::conflict,
                 "party \"recovery\": message is of another ceremony");
}
TEST_F(Rounds, RefusesAMessageOfAnotherRound) {
  const test::Forger forger(ceremony, 2);
  expect_refused({company, forger.message(Round::reveal, Bytes(32))}, Code::conflict,
                 "party \"recovery\": message is of round 2, not 1");
}
TEST_F(Rounds, RefusesAForeignSignature) {
  const auto forged = CeremonyMessage::sign(Round::commit, ceremony.parameters.sid(), 2, Bytes(32),
                                            ceremony.identity_keys[1]);
  expect_refused({company, forged.encode()}, Code::unauthenticated,
                 "party \"recovery\": message is not signed");
}
TEST_F(Rounds, RefusesASenderThatDoesNotExist) {
  const auto forged = CeremonyMessage::sign(Round::commit, ceremony.parameters.sid(), 3, Bytes(32),
                                            ceremony.identity_keys[2]);
  expect_refused({company, forged.encode()}, Code::malformed, "no party has position 3");
}
TEST_F(Rounds, RefusesEveryFlippedByteAndEveryLength) {
  for (std::size_t i = 0; i < recovery.size(); ++i) {
    Bytes flipped = recovery;
    flipped[i] ^= 1;
    EXPECT_FALSE(CeremonyMessage::parse(flipped, Round::commit, ceremony.parameters)) << i;
    EXPECT_FALSE(CeremonyMessage::parse(ByteView(recovery).first(i), Round::commit, ceremony.parameters))
        << i;
  }
  Bytes longer = recovery;
  longer.push_back(0);
  EXPECT_FALSE(CeremonyMessage::parse(longer, Round::commit, ceremony.parameters));
  const auto parsed = CeremonyMessage::parse(recovery, Round::commit, ceremony.parameters);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->encode(), recovery);
}

}  // namespace
}  // namespace coprotect::protocol
