#include "protocol/bundle/bundle.h"

#include <gtest/gtest.h>

#include "protocol/dkg/test_forger.h"
#include "protocol/group/test_suites.h"

namespace coprotect::protocol {
namespace {

using test::Forger;
using test::TestCeremony;

class BundleTest : public testing::TestWithParam<SuiteId> {
 protected:
  TestCeremony ceremony{GetParam()};
  TestCeremony::Run run = ceremony.run();
};
INSTANTIATE_TEST_SUITE_P(Suites, BundleTest, test::tested_suites(), test::suite_label);

TEST_P(BundleTest, IsReadBackAsItWas) {
  const auto parsed = Bundle::parse(run.bundle.encoded());
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->encoded(), run.bundle.encoded());
  EXPECT_EQ(parsed->key_id(), run.outcomes[0].transcript.key_id());
  EXPECT_EQ(parsed->tenant(), "acme");
  EXPECT_EQ(parsed->epoch(), 0u);
  EXPECT_EQ(parsed->public_key().h(), run.outcomes[1].transcript.h());
  for (const auto& [index, share] : run.shares) {
    EXPECT_EQ(parsed->public_share(index), parsed->group().generator_power_secret(share));
  }
  const Bundle copy = *parsed;
  EXPECT_EQ(copy.key_id(), parsed->key_id());
}

TEST_P(BundleTest, EveryOtherLengthIsRefused) {
  Bytes encoded = run.bundle.encoded();
  const std::size_t step = GetParam() == SuiteId::p256 ? 1 : 7;
  for (std::size_t i = 0; i < encoded.size(); i += step)
    EXPECT_FALSE(Bundle::parse(ByteView(encoded).first(i))) << i;
  encoded.push_back(0);
  EXPECT_FALSE(Bundle::parse(encoded));
}

TEST_P(BundleTest, EveryFlippedByteIsRefused) {
  const std::size_t step = GetParam() == SuiteId::p256 ? 1 : 41;
  for (std::size_t i = 0; i < run.bundle.encoded().size(); i += step) {
    Bytes flipped = run.bundle.encoded();
    flipped[i] ^= static_cast<std::uint8_t>(1u << i % 8);
    const auto parsed = Bundle::parse(flipped);
    EXPECT_TRUE(!parsed || parsed->key_id() != run.bundle.key_id()) << i;
  }
}

TEST_P(BundleTest, NeedsEveryPartysConfirmation) {
  auto confirms = run.confirms;
  confirms.pop_back();
  EXPECT_EQ(Bundle::assemble(run.outcomes[0].transcript, confirms).error().message(),
            "party \"recovery\": no message of round 4");
}

TEST_P(BundleTest, NeedsConfirmationsOfThisKey) {
  auto confirms = run.confirms;
  confirms[1] = Forger(ceremony, 1).message(Round::confirm, Bytes(32));
  const auto other_key = Bundle::assemble(run.outcomes[0].transcript, confirms);
  ASSERT_FALSE(other_key);
  EXPECT_EQ(other_key.error().message(), "party \"company\": confirms another key");
  confirms[1] = TestCeremony(GetParam()).run().confirms[1];
  EXPECT_EQ(Bundle::assemble(run.outcomes[0].transcript, confirms).error().message(),
            "party \"company\": message is of another ceremony");
}

TEST_P(BundleTest, RefusesASignatureOverAnotherRound) {
  const KeyId& key_id = run.bundle.key_id();
  const auto stored = CeremonyMessage::sign(Round::stored, ceremony.parameters.sid(), 2,
                                            Bytes(key_id.begin(), key_id.end()), ceremony.identity_keys[2]);
  Bytes encoded = run.bundle.encoded();
  std::ranges::copy(stored.signature, encoded.end() - 64);
  const auto parsed = Bundle::parse(encoded);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), Code::unauthenticated);
  EXPECT_EQ(parsed.error().message(), "bundle: party \"recovery\" did not sign this key");
}

// Two parties that choose their polynomials together, to violate the identities of SPEC.md §5.2.
class TranscriptTest : public testing::TestWithParam<SuiteId> {
 protected:
  // Makes the transcript from the polynomials as they are.
  Result<PublicTranscript> transcript() const {
    std::vector<PublicTranscript::PartyRounds> rounds;
    for (const Forger* forger : {&a, &b}) {
      const Bytes reveal = forger->reveal_body();
      rounds.push_back({.commit_body = forger->commit_body(reveal), .reveal_body = reveal, .deal_hash = {}});
    }
    return PublicTranscript::make(ceremony.parameters, std::move(rounds), {});
  }
  Scalar negative(const Scalar& x) const { return Scalar::from_u64(x.field(), 0) - x; }

  TestCeremony ceremony{GetParam(), {2, {{"cloud", {1}}, {"company", {2}}}}};
  Forger a{ceremony, 0};
  Forger b{ceremony, 1};
};
INSTANTIATE_TEST_SUITE_P(Suites, TranscriptTest, test::tested_suites(), test::suite_label);

TEST_P(TranscriptTest, ComputesPublicSharesFromCommitments) {
  const auto made = transcript();
  ASSERT_TRUE(made) << made.error().message();
  const Group& group = ceremony.parameters.group();
  EXPECT_EQ(made->h(), group.generator_power_secret(a.coefficients[0] + b.coefficients[0]));
  EXPECT_EQ(made->public_share(1), group.generator_power_secret(a.share(1) + b.share(1)));
  EXPECT_EQ(made->public_share(2), group.generator_power_secret(a.share(2) + b.share(2)));
}

TEST_P(TranscriptTest, RefusesAnIdentityAsThePublicKey) {
  b.coefficients[0] = negative(a.coefficients[0]);
  EXPECT_EQ(transcript().error().message(), "transcript: the joint public key is the identity");
}

TEST_P(TranscriptTest, RefusesAnIdentityAsAPublicShare) {
  b.coefficients[1] = negative(a.share(1) + b.coefficients[0]);
  EXPECT_EQ(transcript().error().message(), "transcript: public share 1 is the identity");
}

// Every share would be the secret itself: a key for t − 1 of n that claims to be t of n.
TEST_P(TranscriptTest, RefusesAnIdentityAsTheHighestCoefficientOfTheSum) {
  b.coefficients[1] = negative(a.coefficients[1]);
  EXPECT_EQ(transcript().error().message(), "transcript: the shares are of a lower threshold");
}

TEST_P(TranscriptTest, RefusesAnotherNumberOfParties) {
  EXPECT_FALSE(PublicTranscript::make(ceremony.parameters, {}, {}));
}

TEST_P(TranscriptTest, KeyIdNamesEveryRoundOfEveryParty) {
  const auto made = must(transcript());
  for (std::size_t party = 0; party < 2; ++party) {
    auto rounds = made.rounds();
    rounds[party].deal_hash[0] ^= 1;
    EXPECT_NE(must(PublicTranscript::make(ceremony.parameters, rounds, {})).key_id(), made.key_id());
  }
}

}  // namespace
}  // namespace coprotect::protocol
