// The answers of an honest dealer, "cloud", to a party "recovery" that does not follow SPEC.md §5.2. Every
// error names that party.

#include <gtest/gtest.h>

#include "protocol/dkg/test_forger.h"
#include "protocol/group/test_suites.h"

namespace coprotect::protocol {
namespace {

using test::Forger;
using test::TestCeremony;

class MaliciousDealer : public testing::TestWithParam<SuiteId> {
 protected:
  const Group& group() const { return ceremony.parameters.group(); }
  std::uint8_t t() const { return ceremony.parameters->t; }

  // The victim's answer to the forger's reveal, with the given round-1 body as its commitment.
  Result<Bytes> answer_to_reveal(const Bytes& commit_body, const Bytes& reveal_body) {
    commits = {victim.commit(), honest.commit(), forger.message(Round::commit, commit_body)};
    reveals = {must(victim.reveal(commits)), must(honest.reveal(commits)),
               forger.message(Round::reveal, reveal_body)};
    return victim.deal(reveals);
  }
  void expect_reveal_refused(const Bytes& reveal_body, Code code, const std::string& cause) {
    expect_blamed(answer_to_reveal(forger.commit_body(reveal_body), reveal_body), code, cause);
  }
  // The same for a round-3 body, after valid rounds 1 and 2.
  void expect_deal_refused(const Bytes& deal_body, Code code, const std::string& cause) {
    const Bytes reveal = forger.reveal_body();
    const Bytes own = must(answer_to_reveal(forger.commit_body(reveal), reveal));
    const Bytes other = must(honest.deal(reveals));
    expect_blamed(victim.receive(std::vector<Bytes>{own, other, forger.message(Round::deal, deal_body)}),
                  code, cause);
  }
  // Sealed to the victim's key, as the forger deals to index 1, for the given ceremony and holder.
  Bytes seal_to_first(const Sid& sid, std::size_t holder, ByteView value) const {
    const std::vector<Party>& parties = ceremony.parameters->parties;
    Writer info;
    info.literal("CPV1-DEAL").bytes(sid);
    Writer aad;
    aad.u8(2).u8(1).bytes(parties[holder].identity_key.bytes());
    return must(hpke_seal(parties[0].ceremony_key, info.view(), aad.view(), value, system_random()));
  }
  template <typename T>
  static void expect_blamed(const Result<T>& result, Code code, const std::string& cause) {
    ASSERT_FALSE(result) << "accepted";
    const std::string& message = result.error().message();
    EXPECT_EQ(result.error().code(), code) << message;
    EXPECT_TRUE(message.starts_with("party \"recovery\": ")) << message;
    EXPECT_NE(message.find(cause), std::string::npos) << message;
  }
  // The bytes of A_k, R and z in a reveal.
  std::span<std::uint8_t> element(Bytes& reveal, std::size_t k) const {
    return std::span(reveal).subspan(1 + k * group().element_size(), group().element_size());
  }
  std::span<std::uint8_t> proof_z(Bytes& reveal) const {
    return std::span(reveal).subspan(reveal.size() - 32 - group().scalar_size(), group().scalar_size());
  }
  void put(std::span<std::uint8_t> place, ByteView bytes) { std::ranges::copy(bytes, place.begin()); }

  TestCeremony ceremony{GetParam()};
  Dealer victim = ceremony.dealer(0);
  Dealer honest = ceremony.dealer(1);
  Forger forger{ceremony, 2};
  std::vector<Bytes> commits;
  std::vector<Bytes> reveals;
};
INSTANTIATE_TEST_SUITE_P(Suites, MaliciousDealer, test::tested_suites(), test::suite_label);

TEST_P(MaliciousDealer, IsNotOneIfItFollowsTheProtocol) {
  const Bytes reveal = forger.reveal_body();
  const Bytes own = must(answer_to_reveal(forger.commit_body(reveal), reveal));
  const Bytes other = must(honest.deal(reveals));
  const std::vector<Bytes> deals{own, other, forger.message(Round::deal, forger.deal_body(3, {1, 2, 3}))};
  const auto outcome = victim.receive(deals);
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_EQ(group().generator_power_secret(outcome->shares.at(1)), outcome->transcript.public_share(1));
}

// Round 2: the vector of commitments.

TEST_P(MaliciousDealer, OneCommitmentTooFew) {
  forger.coefficients.pop_back();
  expect_reveal_refused(forger.reveal_body(), Code::malformed, "not 2 commitments");
}
TEST_P(MaliciousDealer, OneCommitmentTooMany) {
  forger.coefficients.push_back(Scalar::from_u64(group().scalars(), 5));
  expect_reveal_refused(forger.reveal_body(), Code::malformed, "not 2 commitments");
}
TEST_P(MaliciousDealer, OneCommitmentTooManyBehindTheRightCount) {
  forger.coefficients.push_back(Scalar::from_u64(group().scalars(), 5));
  Bytes reveal = forger.reveal_body();
  reveal[0] = t();
  expect_reveal_refused(reveal, Code::malformed, "wrong size");
}
TEST_P(MaliciousDealer, OneCommitmentTooFewBehindTheRightCount) {
  forger.coefficients.pop_back();
  Bytes reveal = forger.reveal_body();
  reveal[0] = t();
  expect_reveal_refused(reveal, Code::malformed, "wrong size");
}

class BadCommitment : public MaliciousDealer {
 protected:
  // Replaces A_k with these bytes.
  void expect_refused_as(std::size_t k, const Bytes& bytes) {
    Bytes reveal = forger.reveal_body();
    put(element(reveal, k), bytes);
    expect_reveal_refused(reveal, Code::malformed, "A_" + std::to_string(k));
  }
  // The closest thing to an encoding of the identity: 1 in a MODP group, zeros on a curve.
  Bytes identity() const {
    Bytes bytes(group().element_size());
    if (GetParam() != SuiteId::p256) bytes.back() = 1;
    return bytes;
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, BadCommitment, test::tested_suites(), test::suite_label);

TEST_P(BadCommitment, IdentityAsTheConstant) {
  expect_refused_as(0, identity());
}
TEST_P(BadCommitment, IdentityAsTheTopCoefficient) {
  expect_refused_as(t() - 1u, identity());
}
TEST_P(BadCommitment, UndecodableConstant) {
  expect_refused_as(0, Bytes(group().element_size(), 0xff));
}
TEST_P(BadCommitment, UndecodableTopCoefficient) {
  expect_refused_as(t() - 1u, Bytes(group().element_size(), 0xff));
}

// Round 2: A_0 and the proof of possession.

TEST_P(MaliciousDealer, CopiesAnotherPartysConstant) {
  Forger accomplice(ceremony, 1);
  forger.coefficients[0] = accomplice.coefficients[0].clone();
  const Bytes first = accomplice.reveal_body();
  const Bytes second = forger.reveal_body();
  commits = {victim.commit(), accomplice.message(Round::commit, accomplice.commit_body(first)),
             forger.message(Round::commit, forger.commit_body(second))};
  reveals = {must(victim.reveal(commits)), accomplice.message(Round::reveal, first),
             forger.message(Round::reveal, second)};
  expect_blamed(victim.deal(reveals), Code::bad_proof, "A_0 is also that of party \"company\"");
}
TEST_P(MaliciousDealer, ProofWithAWrongResponse) {
  Bytes reveal = forger.reveal_body();
  proof_z(reveal).back() ^= 1;
  expect_reveal_refused(reveal, Code::bad_proof, "proof of possession does not hold");
}
TEST_P(MaliciousDealer, ProofWithAnotherNonce) {
  Bytes reveal = forger.reveal_body();
  put(element(reveal, t()), element(reveal, 1));
  expect_reveal_refused(reveal, Code::bad_proof, "proof of possession does not hold");
}
TEST_P(MaliciousDealer, ProofForAnotherTopCoefficient) {
  Bytes reveal = forger.reveal_body();
  put(element(reveal, 1), element(reveal, t()));
  expect_reveal_refused(reveal, Code::bad_proof, "proof of possession does not hold");
}
TEST_P(MaliciousDealer, ProofFromAnotherCeremony) {
  const TestCeremony other(GetParam());
  expect_reveal_refused(forger.reveal_body(other.parameters.sid(), 2), Code::bad_proof,
                        "proof of possession");
}
TEST_P(MaliciousDealer, ProofOfAnotherParty) {
  expect_reveal_refused(forger.reveal_body(ceremony.parameters.sid(), 1), Code::bad_proof,
                        "proof of possession");
}
TEST_P(MaliciousDealer, ProofWithAResponseNotBelowTheOrder) {
  Bytes reveal = forger.reveal_body();
  put(proof_z(reveal), group().scalars().modulus());
  expect_reveal_refused(reveal, Code::malformed, "proof of possession");
}
TEST_P(MaliciousDealer, ProofWithAnUndecodableNonce) {
  Bytes reveal = forger.reveal_body();
  put(element(reveal, t()), Bytes(group().element_size(), 0xff));
  expect_reveal_refused(reveal, Code::malformed, "proof of possession");
}
// Suppose that the commitments leaked. The forger chooses A_0 so that the joint key is its own, but then it
// does not know a_0.
TEST_P(MaliciousDealer, RogueKeyWithoutItsLogarithm) {
  Forger accomplice(ceremony, 1);
  const Bytes other = accomplice.reveal_body();
  Bytes reveal = forger.reveal_body();
  const Element wanted = group().generator_power_secret(forger.coefficients[0]);
  const Element others = group().generator_power_secret(accomplice.coefficients[0]);
  put(element(reveal, 0), group().multiply(wanted, group().invert(others)).encode());
  commits = {victim.commit(), accomplice.message(Round::commit, accomplice.commit_body(other)),
             forger.message(Round::commit, forger.commit_body(reveal))};
  reveals = {must(victim.reveal(commits)), accomplice.message(Round::reveal, other),
             forger.message(Round::reveal, reveal)};
  expect_blamed(victim.deal(reveals), Code::bad_proof, "proof of possession does not hold");
}

// Round 2 against round 1.

TEST_P(MaliciousDealer, RevealsAnotherVectorThanItCommittedTo) {
  const Bytes committed = forger.commit_body(forger.reveal_body());
  forger.coefficients[1] = Scalar::from_u64(group().scalars(), 9);
  expect_blamed(answer_to_reveal(committed, forger.reveal_body()), Code::bad_proof,
                "does not open the commitment");
}
TEST_P(MaliciousDealer, RevealsAnotherRho) {
  Bytes reveal = forger.reveal_body();
  const Bytes committed = forger.commit_body(reveal);
  reveal.back() ^= 1;
  expect_blamed(answer_to_reveal(committed, reveal), Code::bad_proof, "does not open the commitment");
}
TEST_P(MaliciousDealer, CommitmentOfAWrongSize) {
  const Bytes reveal = forger.reveal_body();
  Bytes committed = forger.commit_body(reveal);
  committed.push_back(0);
  expect_blamed(answer_to_reveal(committed, reveal), Code::bad_proof, "does not open the commitment");
}

// Round 3.

TEST_P(MaliciousDealer, DealsAWrongShare) {
  const Scalar wrong = forger.share(1) + Scalar::from_u64(group().scalars(), 1);
  Writer body;
  body.u8(3).u8(1).lp(forger.sealed_share(1, wrong)).u8(2).lp(forger.sealed_share(2, forger.share(2)));
  body.bytes(forger.part_entry(forger.part(forger.share(3))));
  expect_deal_refused(std::move(body).take(), Code::bad_proof,
                      "share for index 1 does not match the commitments");
}
TEST_P(MaliciousDealer, DealsAnotherIndexsShare) {
  Writer body;
  body.u8(3)
      .u8(1)
      .lp(forger.sealed_share(1, forger.share(2)))
      .u8(2)
      .lp(forger.sealed_share(2, forger.share(1)));
  body.bytes(forger.part_entry(forger.part(forger.share(3))));
  expect_deal_refused(std::move(body).take(), Code::bad_proof,
                      "share for index 1 does not match the commitments");
}
TEST_P(MaliciousDealer, SealsAShareToSomeoneElse) {
  Writer body;
  body.u8(3)
      .u8(1)
      .lp(forger.sealed_share(1, forger.share(1), 1))
      .u8(2)
      .lp(forger.sealed_share(2, forger.share(2)));
  body.bytes(forger.part_entry(forger.part(forger.share(3))));
  expect_deal_refused(std::move(body).take(), Code::bad_proof, "share for index 1 cannot be opened");
}
TEST_P(MaliciousDealer, SealsAShareForAnotherCeremony) {
  const TestCeremony other(GetParam());
  const Forger elsewhere(other, 2);
  const Bytes sealed = seal_to_first(other.parameters.sid(), 0, forger.share(1).bytes().reveal());
  Writer body;
  body.u8(3).u8(1).lp(sealed).u8(2).lp(forger.sealed_share(2, forger.share(2)));
  body.bytes(forger.part_entry(forger.part(forger.share(3))));
  expect_deal_refused(std::move(body).take(), Code::bad_proof, "share for index 1 cannot be opened");
}
// The same key, but the sealed value names another party.
TEST_P(MaliciousDealer, SealsAShareInAnotherPartysName) {
  const Bytes sealed = seal_to_first(ceremony.parameters.sid(), 1, forger.share(1).bytes().reveal());
  Writer body;
  body.u8(3).u8(1).lp(sealed).u8(2).lp(forger.sealed_share(2, forger.share(2)));
  body.bytes(forger.part_entry(forger.part(forger.share(3))));
  expect_deal_refused(std::move(body).take(), Code::bad_proof, "share for index 1 cannot be opened");
}
TEST_P(MaliciousDealer, SealsAShareThatIsNotAScalar) {
  const Bytes sealed = seal_to_first(ceremony.parameters.sid(), 0, group().scalars().modulus());
  Writer body;
  body.u8(3).u8(1).lp(sealed).u8(2).lp(forger.sealed_share(2, forger.share(2)));
  body.bytes(forger.part_entry(forger.part(forger.share(3))));
  expect_deal_refused(std::move(body).take(), Code::bad_proof,
                      "share for index 1 does not match the commitments");
}
TEST_P(MaliciousDealer, DealsNothing) {
  expect_deal_refused({}, Code::malformed, "deal is empty");
}
TEST_P(MaliciousDealer, DealsIndexZero) {
  expect_deal_refused(forger.deal_body(3, {0, 1, 2}), Code::malformed, "does not have index 1 in its place");
}
TEST_P(MaliciousDealer, DealsAnIndexTwice) {
  expect_deal_refused(forger.deal_body(2, {1, 1}), Code::malformed, "does not have index 2 in its place");
}
TEST_P(MaliciousDealer, DealsAnIndexBeyondN) {
  expect_deal_refused(forger.deal_body(4, {1, 2, 3, 4}), Code::malformed, "additional shares");
}
TEST_P(MaliciousDealer, LeavesOutTheRecoveryParty) {
  expect_deal_refused(forger.deal_body(2, {1, 2}), Code::malformed, "does not have index 3 in its place");
}
TEST_P(MaliciousDealer, DealsTheRecoveryPartyAnotherValue) {
  Bytes body = forger.deal_body(3, {1, 2});
  const Bytes entry = forger.part_entry(forger.part(Scalar::random(group().scalars(), system_random())));
  body.insert(body.end(), entry.begin(), entry.end());
  expect_deal_refused(body, Code::bad_proof, "its recovery part for index 3 does not hold");
}
TEST_P(MaliciousDealer, SealsTheRecoveryPartToAnotherKey) {
  Bytes body = forger.deal_body(3, {1, 2});
  RecoveryStatement other = forger.statement();
  other.recovery_key = HpkePrivateKey::generate(system_random()).public_key();
  const Bytes entry = forger.part_entry(must(RecoveryPart::make(other, forger.share(3), system_random())));
  body.insert(body.end(), entry.begin(), entry.end());
  expect_deal_refused(body, Code::bad_proof, "its recovery part for index 3 does not hold");
}
TEST_P(MaliciousDealer, SealsAnotherRecoveryPartThanItNames) {
  Bytes body = forger.deal_body(3, {1, 2});
  Bytes entry = forger.part_entry(forger.part(forger.share(3)));
  entry[1] ^= 1;  // of the part's hash
  body.insert(body.end(), entry.begin(), entry.end());
  expect_deal_refused(body, Code::bad_proof, "its recovery part for index 3 cannot be opened");
}
TEST_P(MaliciousDealer, SealsTheRecoveryPartToTheOtherAgentAlone) {
  Bytes body = forger.deal_body(3, {1, 2});
  Bytes entry = forger.part_entry(forger.part(forger.share(3)));
  // The keys of both agents end the entry, each with its length.
  entry[entry.size() - 2 * (2 + 65 + 32 + 16) + 80] ^= 1;
  body.insert(body.end(), entry.begin(), entry.end());
  expect_deal_refused(body, Code::bad_proof, "its recovery part for index 3 cannot be opened");
}
TEST_P(MaliciousDealer, LeavesOutTheVictim) {
  expect_deal_refused(forger.deal_body(1, {2}), Code::malformed, "does not have index 1 in its place");
}
TEST_P(MaliciousDealer, LeavesOutTheOther) {
  expect_deal_refused(forger.deal_body(1, {1}), Code::malformed, "does not have index 2 in its place");
}
TEST_P(MaliciousDealer, DealsInAnotherOrder) {
  expect_deal_refused(forger.deal_body(2, {2, 1}), Code::malformed, "does not have index 1 in its place");
}
TEST_P(MaliciousDealer, CountsWrongly) {
  expect_deal_refused(forger.deal_body(2, {1, 2, 3}), Code::malformed, "additional shares");
}

// Equivocation: each honest party sees a valid ceremony, but not the same one. No bundle results.

class Equivocation : public MaliciousDealer {
 protected:
  // Runs the ceremony of one honest party with the forger's messages for it. The other's messages are relayed
  // unchanged.
  void expect_no_bundle(const Dealer::Outcome& a, const Dealer::Outcome& b) {
    EXPECT_NE(a.transcript.key_id(), b.transcript.key_id());
    const std::vector<Bytes> confirms{confirm(a.transcript, 0, ceremony.identity_keys[0]),
                                      confirm(b.transcript, 1, ceremony.identity_keys[1]),
                                      confirm(a.transcript, 2, ceremony.identity_keys[2])};
    const auto for_a = Bundle::assemble(a.transcript, confirms);
    ASSERT_FALSE(for_a);
    EXPECT_EQ(for_a.error().message(), "party \"company\": confirms another key");
    const auto for_b = Bundle::assemble(b.transcript, confirms);
    ASSERT_FALSE(for_b);
    EXPECT_EQ(for_b.error().message(), "party \"cloud\": confirms another key");
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, Equivocation, test::tested_suites(), test::suite_label);

TEST_P(Equivocation, OfThePolynomial) {
  const Forger second(ceremony, 2);
  const Bytes reveal_a = forger.reveal_body();
  const Bytes reveal_b = second.reveal_body();
  const Bytes commit_0 = victim.commit();
  const Bytes commit_1 = honest.commit();
  const Bytes reveal_0 = must(victim.reveal(
      std::vector<Bytes>{commit_0, commit_1, forger.message(Round::commit, forger.commit_body(reveal_a))}));
  const Bytes reveal_1 = must(honest.reveal(
      std::vector<Bytes>{commit_0, commit_1, second.message(Round::commit, second.commit_body(reveal_b))}));
  const Bytes deal_0 =
      must(victim.deal(std::vector<Bytes>{reveal_0, reveal_1, forger.message(Round::reveal, reveal_a)}));
  const Bytes deal_1 =
      must(honest.deal(std::vector<Bytes>{reveal_0, reveal_1, second.message(Round::reveal, reveal_b)}));
  const auto a = victim.receive(
      std::vector<Bytes>{deal_0, deal_1, forger.message(Round::deal, forger.deal_body(3, {1, 2, 3}))});
  const auto b = honest.receive(
      std::vector<Bytes>{deal_0, deal_1, second.message(Round::deal, second.deal_body(3, {1, 2, 3}))});
  expect_no_bundle(*a, *b);
}

TEST_P(Equivocation, OfTheDealAlone) {
  const Bytes reveal = forger.reveal_body();
  const Bytes deal_0 = must(answer_to_reveal(forger.commit_body(reveal), reveal));
  const Bytes deal_1 = must(honest.deal(reveals));
  const auto a = victim.receive(
      std::vector<Bytes>{deal_0, deal_1, forger.message(Round::deal, forger.deal_body(3, {1, 2, 3}))});
  const auto b = honest.receive(
      std::vector<Bytes>{deal_0, deal_1, forger.message(Round::deal, forger.deal_body(3, {1, 2, 3}))});
  expect_no_bundle(*a, *b);
}

}  // namespace
}  // namespace coprotect::protocol
