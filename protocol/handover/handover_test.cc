#include <gtest/gtest.h>

#include <algorithm>

#include "protocol/group/test_suites.h"
#include "protocol/handover/test_handover.h"

namespace coprotect::protocol {
namespace {

using test::default_layout;
using test::Layout;
using test::makes_the_key;
using test::TestHandover;
using test::TestKey;

class HandoverTest : public testing::TestWithParam<SuiteId> {
 protected:
  // Checks that each set of t shares makes the key, and no smaller set does.
  void expect_every_quorum() const {
    const std::uint8_t n = key.bundle.parameters()->n;
    const std::uint8_t t = key.bundle.parameters()->t;
    for (unsigned set = 1; set < 1u << n; ++set) {
      std::vector<std::uint8_t> quorum;
      for (std::uint8_t i = 0; i < n; ++i)
        if (set & 1u << i) quorum.push_back(static_cast<std::uint8_t>(i + 1));
      EXPECT_EQ(makes_the_key(key, quorum), quorum.size() >= t) << set;
    }
  }

  TestKey key = TestKey::shared(GetParam());
  const Element h = key.bundle.sharing().h;
};
INSTANTIATE_TEST_SUITE_P(Suites, HandoverTest, test::tested_suites(), test::suite_label);

TEST_P(HandoverTest, RefreshChangesEveryShareAndNotTheKey) {
  std::map<std::uint8_t, Scalar> before;
  for (const auto& [index, share] : key.shares) before.emplace(index, share.clone());
  TestHandover refresh(key, default_layout(), {1, 2});
  EXPECT_TRUE(refresh.plan.refreshes(key.bundle.sharing()));
  refresh.run();
  EXPECT_EQ(key.bundle.epoch(), 1u);
  EXPECT_EQ(key.bundle.sharing().h, h);
  for (const auto& [index, share] : key.shares) {
    EXPECT_FALSE(share == before.at(index)) << int{index};
    EXPECT_EQ(key.bundle.public_share(index), key.bundle.group().generator_power_secret(share));
  }
  expect_every_quorum();
}

TEST_P(HandoverTest, SharesOfTwoEpochsDoNotMakeTheKey) {
  const Scalar old = key.shares.at(1).clone();
  TestHandover(key, default_layout(), {1, 2}).run();
  key.shares.at(1) = old.clone();
  const std::vector<std::uint8_t> quorum{1, 2};
  EXPECT_FALSE(makes_the_key(key, quorum));
}

TEST_P(HandoverTest, AnyQuorumCanHandOver) {
  for (const std::vector<std::uint8_t>& dealers : {std::vector<std::uint8_t>{1, 2}, {1, 3}, {2, 3}}) {
    TestHandover(key, default_layout(), dealers).run();
    expect_every_quorum();
  }
  EXPECT_EQ(key.bundle.epoch(), 3u);
}

TEST_P(HandoverTest, ANewRecoveryPartyGetsAShareThatTheOldKeyDoesNotOpen) {
  TestHandover change(key, default_layout(), {1, 2}, true);
  EXPECT_FALSE(change.plan.refreshes(key.bundle.sharing()));
  const auto deals = change.deal();
  const auto made = must(change.transcript(deals));
  const auto parts = must(change.parts(made, deals));
  EXPECT_FALSE(parts.open(key.recovery_key, made.sharing()));
  EXPECT_TRUE(parts.open(change.recovery_key(), made.sharing()));
  change.run();
  expect_every_quorum();
  TestHandover(key, default_layout(), {1, 2}).run();
  expect_every_quorum();
}

TEST_P(HandoverTest, ALostPartyIsReplaced) {
  TestHandover restore(key, {2, {{"cloud", {1}}, {"newcompany", {2}}, {"recovery", {3}}}}, {1, 3});
  EXPECT_FALSE(restore.plan.refreshes(key.bundle.sharing()));
  restore.run();
  expect_every_quorum();
}

TEST_P(HandoverTest, MovesToThreeOfFiveAndBack) {
  const Layout larger{
      3, {{"cloud", {1}}, {"company", {2}}, {"cloud-b", {3}}, {"company-b", {4}}, {"recovery", {5}}}};
  TestHandover(key, larger, {1, 2}).run();
  EXPECT_EQ(key.bundle.parameters()->t, 3);
  EXPECT_EQ(key.bundle.sharing().h, h);
  expect_every_quorum();
  TestHandover(key, default_layout(), {1, 3, 5}).run();
  expect_every_quorum();
}

TEST_P(HandoverTest, APartyMayHoldSeveralIndices) {
  TestHandover(key, {2, {{"cloud", {1, 3}}, {"company", {2, 4}}, {"recovery", {5}}}}, {1, 2}).run();
  expect_every_quorum();
}

TEST_P(HandoverTest, PlanAndDealAreReadBackAsTheyWere) {
  TestHandover refresh(key, default_layout(), {1, 2});
  const auto plan = must(HandoverPlan::parse(refresh.plan.encoded()));
  EXPECT_EQ(plan.encoded(), refresh.plan.encoded());
  EXPECT_EQ(plan.sid(), refresh.plan.sid());
  const auto deals = refresh.deal();
  const Bytes encoded = deals[0].encode();
  EXPECT_EQ(must(Deal::parse(encoded, plan)).encode(), encoded);
  for (std::size_t i = 0; i < encoded.size(); i += 3) {
    EXPECT_FALSE(Deal::parse(ByteView(encoded).first(i), plan)) << i;
  }
  for (std::size_t i = 0; i < plan.encoded().size(); ++i)
    EXPECT_FALSE(HandoverPlan::parse(ByteView(plan.encoded()).first(i))) << i;
}

TEST_P(HandoverTest, StatementsAreOfTheirKindAndCeremony) {
  TestHandover refresh(key, default_layout(), {1, 2});
  const auto made = must(refresh.transcript(refresh.deal()));
  const SigningKey& cloud = refresh.identity("cloud");
  const VerifyKey& known = cloud.public_key();
  const Sid& sid = refresh.plan.sid();
  EXPECT_TRUE(verify_confirmation(known, made, confirm_handover(made, cloud)));
  EXPECT_TRUE(verify_acknowledgement(known, sid, made.hash(), acknowledge_handover(sid, made.hash(), cloud)));
  EXPECT_TRUE(verify_void(known, sid, void_handover(sid, cloud)));
  EXPECT_FALSE(verify_confirmation(known, made, void_handover(sid, cloud)));
  EXPECT_FALSE(verify_void(known, sid, confirm_handover(made, cloud)));
  EXPECT_FALSE(verify_acknowledgement(known, sid, made.hash(), void_handover(sid, cloud)));
  EXPECT_FALSE(verify_void(known, Sid{}, void_handover(sid, cloud)));
  EXPECT_FALSE(verify_void(refresh.identity("company").public_key(), sid, void_handover(sid, cloud)));
}

// The claims of SPEC.md §8.6 about theft, with every secret.
TEST_P(HandoverTest, ARefreshUndoesTheTheftOfAShareButNotOfShareAndParts) {
  TestHandover first(key, default_layout(), {1, 2});
  const auto deals = first.deal();
  const auto made = must(first.transcript(deals));
  const Bytes stolen_parts = must(first.parts(made, deals)).encoded();
  const Sharing then = made.sharing();
  key.bundle = must(key.bundle.followed_by(HandoverVersion::encode(made, first.confirm(made))));
  std::map<std::uint8_t, Scalar> received;
  for (std::uint8_t j = 1; j <= 3; ++j) received.emplace(j, must(first.receive(made, deals, j)));
  key.shares = std::move(received);
  const Scalar stolen_share = key.shares.at(1).clone();
  TestHandover(key, default_layout(), {1, 2}).run();
  TestHandover(key, default_layout(), {1, 2}).run();

  // Now the thief gets kit and code: with them, whatever an agent gives out in this epoch.
  const Group& group = key.bundle.group();
  const auto opens_with = [&](const Scalar& one, const Scalar& three) {
    const std::vector<std::uint8_t> quorum{1, 3};
    const Scalar sum =
        must(lagrange_at_zero(group, quorum, 1)) * one + must(lagrange_at_zero(group, quorum, 3)) * three;
    return group.generator_power_secret(sum) == h;
  };
  EXPECT_FALSE(opens_with(stolen_share, key.shares.at(3)));  // the share alone
  const auto parts = must(RecoveryParts::parse(group, stolen_parts));
  EXPECT_TRUE(opens_with(stolen_share, must(parts.open(key.recovery_key, then))));  // share and parts

  // After a new code, the new kit opens nothing stolen before, alone or together with it.
  TestHandover(key, default_layout(), {1, 2}, true).run();
  EXPECT_FALSE(parts.open(key.recovery_key, then));
  EXPECT_FALSE(opens_with(stolen_share, key.shares.at(3)));
}

// Kit and code, and everything that is public or passes through the tool.
TEST_P(HandoverTest, WithoutAnAgentTheRecoveryKeyOpensNothing) {
  TestHandover refresh(key, default_layout(), {1, 2});
  const auto deals = refresh.deal();
  const auto made = must(refresh.transcript(deals));
  const Bytes version = HandoverVersion::encode(made, refresh.confirm(made));
  for (const Deal& deal : deals) {
    const RecoveryStatement statement = dealt_statement(refresh.plan, deal.open);
    const ByteView sealed = deal.sealed_for(statement.index);
    for (const std::size_t agent : {0u, 1u}) {
      EXPECT_FALSE(open_part(refresh.plan->parameters, statement, sealed, deal.open.part_hash, agent,
                             key.recovery_key));
      EXPECT_TRUE(open_part(refresh.plan->parameters, statement, sealed, deal.open.part_hash, agent,
                            refresh.ceremony_keys[agent]));
    }
    // Each agent has its own key.
    EXPECT_FALSE(open_part(refresh.plan->parameters, statement, sealed, deal.open.part_hash, 1,
                           refresh.ceremony_keys[0]));
    const auto part = must(open_dealt_part(refresh.plan, deal, 0, refresh.ceremony_keys[0], system_random()));
    const Bytes& encoded = part.encoded();
    for (const Bytes* const haystack : {&version, &deal.sealed})
      EXPECT_EQ(std::search(haystack->begin(), haystack->end(), encoded.end() - 32, encoded.end()),
                haystack->end());
  }
}

}  // namespace
}  // namespace coprotect::protocol
