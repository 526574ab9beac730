#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"

// Agents that were given different recovery blobs by the tool that made their key.
namespace coprotect::agent::custodian {
namespace {

using protocol::SuiteId;
using testing::HandoverTool;
using testing::opens;
using testing::RecoveryShare;

// Two agents whose blobs differ since the key generation: who deals compares before, who only leaves, at the
// end, and keeps share and blob.
class DifferentBlobs : public testing::HandoverFixture, public ::testing::WithParamInterface<SuiteId> {
 protected:
  DifferentBlobs() : HandoverFixture(GetParam(), false, 1) {}
};
INSTANTIATE_TEST_SUITE_P(Suites, DifferentBlobs, ::testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& tested) { return std::string(protocol::suite_name(tested.param)); });

TEST_P(DifferentBlobs, AreNotHandedOverByBoth) {
  HandoverTool tool = refresh();
  tool.offer();
  tool.plan();
  EXPECT_EQ(code_of(tool.deal_at(pair.cloud)), "ok");
  EXPECT_EQ(code_of(tool.deal_at(pair.company)), "denied");
}

TEST_P(DifferentBlobs, AreNotErasedByWhoLeaves) {
  const Bytes blob = testing::recovery_of(pair.company, bundle, pair.admin).first;
  ASSERT_NE(blob, pair.tool.blob());
  const auto third = another("third");
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin,
                    {.t = 2, .agents = {{&pair.cloud, 1}, {third.get(), 2}}, .recovery = 3}, {1, 3});
  tool.deal_with(3, pair.tool.recovery_share());
  tool.approve(pair.cloud);
  tool.run_to_activate();
  const auto refused = tool.retire_at(pair.company);
  EXPECT_EQ(code_of(refused), "denied");
  EXPECT_TRUE(contains(why(refused), "names another recovery blob than the one that this agent keeps"));
  EXPECT_EQ(testing::recovery_of(pair.company, bundle, pair.admin).first, blob);
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.company}, RecoveryShare{3, pair.tool.recovery_share()}));
}

}  // namespace
}  // namespace coprotect::agent::custodian
