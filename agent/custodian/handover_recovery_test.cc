#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"
#include "protocol/crypto/hash.h"
#include "protocol/handover/test_handover.h"
#include "swtpm-tests/harness/process.h"

// What the recovery party is dealt while it is not there: every agent checks it before it confirms, keeps it,
// and gives it to a recovery administrator alone.
namespace coprotect::agent::custodian {
namespace {

using protocol::Deal;
using protocol::HpkePrivateKey;
using protocol::RecoveryPart;
using protocol::RecoveryParts;
using protocol::RecoveryStatement;
using protocol::Scalar;
using protocol::SuiteId;
using testing::HandoverTool;
using testing::opens;
using testing::RecoveryShare;

class HandoverRecovery : public testing::HandoverFixture, public ::testing::WithParamInterface<SuiteId> {
 protected:
  HandoverRecovery() : HandoverFixture(GetParam()) {}
  RecoveryParts parts_of(testing::TestAgent& agent, const protocol::Bundle& of) {
    return must(RecoveryParts::parse(of.group(), testing::recovery_of(agent, of, pair.rescuer).second));
  }
  void approve(HandoverTool& tool) {
    tool.approve(pair.cloud);
    tool.approve(pair.company);
  }
  void expect_old_epoch_recovers() {
    for (testing::TestAgent* const agent : {&pair.cloud, &pair.company})
      EXPECT_TRUE(opens(bundle, pair.alice, {agent}, RecoveryShare{3, pair.tool.recovery_share()}));
  }
};
INSTANTIATE_TEST_SUITE_P(Suites, HandoverRecovery, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(HandoverRecovery, BothAgentsKeepTheSamePartsAndTheyMakeTheShare) {
  for (int epoch = 0; epoch < 2; ++epoch) {
    const auto parts = parts_of(pair.cloud, bundle);
    EXPECT_EQ(parts.encoded(), parts_of(pair.company, bundle).encoded());
    EXPECT_TRUE(parts.check(bundle.sharing(), system_random()));
    const auto share = must(parts.open(pair.tool.recovery_key(), bundle.sharing()));
    EXPECT_TRUE(opens(bundle, pair.alice, {&pair.company}, RecoveryShare{3, share}));
    HandoverTool tool = refresh();
    tool.run();
    bundle = tool.bundle();
  }
}

// The dealer of index 3 here; to the agents one is as another.
TEST_P(HandoverRecovery, ADealerThatSealsSomethingElseIsRefusedByEveryAgentAndNamed) {
  const Scalar& share = pair.tool.recovery_share();
  const auto forge = [&](const protocol::HandoverPlan& plan, const Deal& honest, bool other_key) {
    RecoveryStatement statement = protocol::dealt_statement(plan, honest.open);
    if (other_key) statement.recovery_key = HpkePrivateKey::generate(system_random()).public_key();
    const Scalar random = Scalar::random(plan.group().scalars(), system_random());
    return protocol::test::with_part(plan, honest, share,
                                     must(RecoveryPart::make(statement, random, system_random())));
  };
  for (const bool other_key : {false, true}) {
    HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(), {1, 3});
    tool.epoch = other_key ? 2 : 1;  // the first one's number is used up
    tool.deal_with(3, share);
    approve(tool);
    tool.offer();
    tool.plan();
    tool.deal();
    const Deal honest = must(Deal::parse(tool.deals[1], tool.the_plan()));
    tool.deals[1] = forge(tool.the_plan(), honest, other_key).encode();
    for (testing::TestAgent* const agent : {&pair.cloud, &pair.company}) {
      const auto refused = tool.prepare_at(*agent);
      EXPECT_EQ(code_of(refused), "bad-proof");
      EXPECT_EQ(why(refused), "dealer 3: its recovery part for index 3 does not hold");
    }
    expect_old_epoch_recovers();
    must(tool.abort_at(pair.cloud));
    must(tool.abort_at(pair.company));
  }
  expect_old_epoch_recovers();
}

TEST_P(HandoverRecovery, ANewCodeNeedsTheProofThatSomebodyHasIt) {
  std::uint32_t epoch = 0;
  const auto prepared = [&](auto change) {
    HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true), {1, 2});
    tool.epoch = ++epoch;  // of those that came to nothing the number is used up
    approve(tool);
    tool.offer();
    tool.plan();
    tool.deal();
    change(tool);
    auto result = tool.prepare_at(pair.cloud);
    if (!result) {
      must(tool.abort_at(pair.cloud));
      must(tool.abort_at(pair.company));
    }
    return result;
  };
  const auto none = prepared([](HandoverTool& tool) { tool.possession.clear(); });
  EXPECT_EQ(code_of(none), "bad-proof");
  const auto of_old = prepared([&](HandoverTool& tool) {
    const auto signature =
        protocol::prove_recovery_key(tool.sid(), protocol::sha256(tool.blob()), pair.tool.recovery_key());
    tool.possession.assign(signature.begin(), signature.end());
  });
  EXPECT_EQ(code_of(of_old), "bad-proof");
  const auto of_other_blob = prepared([&](HandoverTool& tool) {
    const auto signature = protocol::prove_recovery_key(tool.sid(), Digest{}, tool.recovery_key());
    tool.possession.assign(signature.begin(), signature.end());
  });
  EXPECT_EQ(code_of(of_other_blob), "bad-proof");
  // A blob of another recovery key than the plan's, of which its maker has the code.
  const auto blob_of_another = prepared([&](HandoverTool& tool) {
    const auto other = HpkePrivateKey::generate(system_random());
    const Secret code = Secret::copy_of(bytes_of("YYYY456789ABCDEFGHJKMNPQRSTV"));
    tool.send_blob(
        must(protocol::RecoveryBlob::seal_with({64, 1, 1}, {}, {}, code, bundle.key_id(), GetParam(), other))
            .first.encoded());
    const auto signature = protocol::prove_recovery_key(tool.sid(), protocol::sha256(tool.blob()), other);
    tool.possession.assign(signature.begin(), signature.end());
  });
  EXPECT_EQ(code_of(blob_of_another), "malformed");
  EXPECT_EQ(why(prepared([](HandoverTool&) {})), "ok");
}

TEST_P(HandoverRecovery, AdministratorsGetTheBlobAndNoParts) {
  const auto [blob, parts] = testing::recovery_of(pair.cloud, bundle, pair.admin);
  EXPECT_EQ(blob, pair.tool.blob());
  EXPECT_TRUE(parts.empty());
  EXPECT_EQ(code_of(testing::answer(
                pair.cloud, testing::ask(pair.cloud, bundle, protocol::RecoveryShareBody{}), pair.alice)),
            "denied");
}

// A copy of the store without the token, and a store in which somebody puts one agent's record in another's
// place.
TEST_P(HandoverRecovery, PartsAtRestAreSealedAndBoundToTheirEpoch) {
  const auto parts = parts_of(pair.cloud, bundle);
  pair.cloud.close();
  const std::string content = harness::read_file(pair.cloud.store());
  const ByteView store = bytes_of(content);
  EXPECT_EQ(std::search(store.begin(), store.end(), parts.encoded().end() - 32, parts.encoded().end()),
            store.end());
  pair.cloud.open();
  EXPECT_EQ(parts_of(pair.cloud, bundle).encoded(), parts.encoded());
  pair.cloud.close();
  sql(pair.cloud,
      "UPDATE keys SET recovery_parts = "
      "CAST(substr(recovery_parts, 1, length(recovery_parts) - 1) || x'00' AS BLOB)");
  EXPECT_FALSE(pair.cloud.try_open());
}

}  // namespace
}  // namespace coprotect::agent::custodian
