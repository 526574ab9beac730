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

}  // namespace
}  // namespace coprotect::agent::custodian
