// Another token in the place of an agent's own, while the agent runs: it gets no share.

#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"

namespace coprotect::agent::custodian {
namespace {

using protocol::SuiteId;
using testing::HandoverTool;

class SwappedToken : public testing::HandoverFixture, public ::testing::WithParamInterface<bool> {
 protected:
  SwappedToken() : HandoverFixture(SuiteId::p256, GetParam()) {}
  // Another one that is found by the same URI, opens with the same PIN, and has the same label.
  void swap_token() {
    if (tpm) {
      tpm.reset();
      std::filesystem::remove_all(scratch / "tpm");
      tpm = std::make_unique<harness::SoftTpm>(scratch / "tpm");
    } else {
      token.remove();
      token.add("coprotect");
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Tokens, SwappedToken, ::testing::Bool(),
                         [](const auto& tested) { return tested.param ? "tpm" : "pkcs11"; });

TEST_P(SwappedToken, GetsNoShareOfTheNextEpoch) {
  HandoverTool tool = refresh();
  tool.offer();
  tool.plan();
  tool.deal();  // the present shares are held in memory now
  swap_token();
  const auto refused = tool.prepare_at(pair.cloud);
  EXPECT_EQ(code_of(refused), "altered");
  EXPECT_TRUE(contains(why(refused), "the token is another one than this agent's")) << why(refused);
  EXPECT_FALSE(tool.status(pair.cloud).prepared);
}

TEST_P(SwappedToken, GetsNoFirstShareOfAnAgentThatJoins) {
  const auto provider = another("newcloud");
  HandoverTool tool(bundle, {&pair.company, &pair.cloud}, pair.admin,
                    {.t = 2, .agents = {{provider.get(), 1}, {&pair.company, 2}}, .recovery = 3}, {2, 3});
  tool.deal_with(3, pair.tool.recovery_share());
  tool.approve(pair.company);
  tool.offer();
  tool.plan();
  tool.gather_consents();
  tool.deal();
  swap_token();
  const auto refused = tool.prepare_at(*provider);
  EXPECT_EQ(code_of(refused), "altered");
  EXPECT_TRUE(contains(why(refused), "the token is another one than this agent's")) << why(refused);
}

TEST_P(SwappedToken, GetsNoShareOfAKeyGeneration) {
  testing::Tool second({&pair.cloud, &pair.company}, pair.acme, SuiteId::p256);
  second.offer();
  second.exchange();
  swap_token();
  const auto refused = second.post(0, ipc::Route::prepare, protocol::MessageList{second.deals()}.encode());
  EXPECT_EQ(code_of(refused), "altered");
  EXPECT_TRUE(contains(why(refused), "the token is another one than this agent's")) << why(refused);
  EXPECT_NE(second.status(0).state, protocol::CeremonyState::prepared);
}

}  // namespace
}  // namespace coprotect::agent::custodian
