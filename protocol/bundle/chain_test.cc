// Bundles with versions: a chain that only grows, and that only t shares and all new parties can extend.

#include <gtest/gtest.h>

#include "protocol/group/test_suites.h"
#include "protocol/handover/test_handover.h"

namespace coprotect::protocol {
namespace {

using test::default_layout;
using test::TestHandover;
using test::TestKey;

class ChainTest : public testing::TestWithParam<SuiteId> {
 protected:
  TestKey key = TestKey::shared(GetParam());
  const Bundle generation = key.bundle;
};
INSTANTIATE_TEST_SUITE_P(Suites, ChainTest, test::tested_suites(), test::suite_label);

TEST_P(ChainTest, IsReadBackAndExtendsWhatItGrewFrom) {
  TestHandover(key, default_layout(), {1, 2}).run();
  const Bundle first = key.bundle;
  TestHandover(key, default_layout(), {2, 3}).run();
  const auto parsed = must(Bundle::parse(key.bundle.encoded()));
  EXPECT_EQ(parsed.encoded(), key.bundle.encoded());
  EXPECT_EQ(parsed.epoch(), 2u);
  EXPECT_EQ(parsed.key_id(), generation.key_id());
  EXPECT_EQ(parsed.public_share(2), key.bundle.group().generator_power_secret(key.shares.at(2)));
  EXPECT_EQ(parsed.newest_hash(), key.bundle.newest_hash());
  EXPECT_TRUE(parsed.extends(generation));
  EXPECT_TRUE(parsed.extends(first));
  EXPECT_TRUE(parsed.extends(parsed));
  EXPECT_FALSE(first.extends(parsed));
  EXPECT_FALSE(generation.extends(first));
  EXPECT_EQ(parsed.versions(), 2u);
  EXPECT_EQ(parsed.with_versions(2).encoded(), parsed.encoded());
  EXPECT_EQ(parsed.with_versions(1).encoded(), first.encoded());
  EXPECT_EQ(parsed.with_versions(0).encoded(), generation.encoded());
}

TEST_P(ChainTest, AForkExtendsNeither) {
  TestHandover one(key, default_layout(), {1, 2});
  TestHandover two(key, default_layout(), {1, 2});
  const auto made = must(two.transcript(two.deal()));
  const Bundle fork = must(key.bundle.followed_by(HandoverVersion::encode(made, two.confirm(made))));
  one.run();
  EXPECT_EQ(fork.epoch(), key.bundle.epoch());
  EXPECT_FALSE(fork.extends(key.bundle));
  EXPECT_FALSE(key.bundle.extends(fork));
  // A version of one branch does not fit the other.
  const auto third = TestHandover(key, default_layout(), {1, 2});
  const auto next = must(third.transcript(third.deal()));
  const auto grafted = fork.followed_by(HandoverVersion::encode(next, third.confirm(next)));
  ASSERT_FALSE(grafted);
  EXPECT_EQ(grafted.error().code(), Code::conflict);
}

TEST_P(ChainTest, OtherSignaturesOfTheSameMakeNoFork) {
  TestHandover refresh(key, default_layout(), {1, 2});
  const auto made = must(refresh.transcript(refresh.deal()));
  const Bundle one = must(key.bundle.followed_by(HandoverVersion::encode(made, refresh.confirm(made))));
  const Bundle two = must(key.bundle.followed_by(HandoverVersion::encode(made, refresh.confirm(made))));
  EXPECT_NE(one.encoded(), two.encoded());
  EXPECT_EQ(one.newest_hash(), two.newest_hash());
  EXPECT_TRUE(one.extends(two) && two.extends(one));
}

TEST_P(ChainTest, NeedsEverySignatureOfTheNewParties) {
  TestHandover refresh(key, default_layout(), {1, 2});
  const auto made = must(refresh.transcript(refresh.deal()));
  auto signatures = refresh.confirm(made);
  ASSERT_EQ(signatures.size(), 2u);  // the recovery party is absent
  signatures[1] = confirm_handover(made, refresh.identity("cloud"));
  const auto forged = key.bundle.followed_by(HandoverVersion::encode(made, signatures));
  ASSERT_FALSE(forged);
  EXPECT_EQ(forged.error().code(), Code::unauthenticated);
  EXPECT_EQ(forged.error().message(), "handover: party \"company\" did not confirm this epoch");
  signatures.pop_back();
  EXPECT_FALSE(key.bundle.followed_by(HandoverVersion::encode(made, signatures)));
}

// The parties of a version may all be new and can sign anything, but only they have their blob. So a version
// names the same blob as the one before, unless there is a new code.
TEST_P(ChainTest, WithoutANewCodeTheBlobStaysTheSame) {
  TestHandover(key, default_layout(), {1, 2}).run();
  const Digest blob = key.bundle.sharing().blob_hash.value();
  TestHandover honest(key, default_layout(), {1, 2});
  EXPECT_EQ(honest.plan->blob_hash, blob);
  auto fields = honest.plan.fields();
  fields.blob_hash[31] ^= 1;
  TestHandover forged(key, default_layout(), {1, 2});
  forged.plan = must(HandoverPlan::make(std::move(fields)));
  Writer version;
  version.literal("CPVN\x01").lp4(forged.plan.encoded());
  for (const Deal& deal : forged.deal()) version.lp4(deal.open.encode());
  const Digest confirmed = tagged_hash("CPV1-HANDOVER-CONFIRM", {sha256(version.view())});
  for (const std::string name : {"cloud", "company"}) version.bytes(forged.identity(name).sign(confirmed));
  const auto refused = key.bundle.followed_by(version.view());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::denied);
  EXPECT_EQ(refused.error().message(),
            "handover plan: it changes the key's recovery blob without a new code");

  TestHandover(key, default_layout(), {1, 2}, true).run();
  EXPECT_NE(key.bundle.sharing().blob_hash, blob);
  TestHandover(key, default_layout(), {1, 3}).run();
}

TEST_P(ChainTest, EveryFlippedByteAndEveryOtherLengthIsRefused) {
  TestHandover(key, default_layout(), {1, 2}).run();
  const Bytes& whole = key.bundle.encoded();
  const std::size_t step = GetParam() == SuiteId::p256 ? 3 : 211;
  for (std::size_t i = generation.encoded().size(); i < whole.size(); i += step) {
    Bytes flipped = whole;
    flipped[i] ^= static_cast<std::uint8_t>(1u << i % 8);
    EXPECT_FALSE(Bundle::parse(flipped)) << i;
    EXPECT_FALSE(Bundle::parse(ByteView(whole).first(i))) << i;
  }
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_FALSE(Bundle::parse(longer));
}

}  // namespace
}  // namespace coprotect::protocol
