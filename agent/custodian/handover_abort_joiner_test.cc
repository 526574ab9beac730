#include <gtest/gtest.h>

#include "agent/custodian/testing/test_abort.h"

// A handover that is aborted and that an agent was to join by: what its invitation can end, and that the
// joiner keeps nothing of it.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using protocol::HandoverStep;
using protocol::verify_void;
using testing::AbortHandover;
using testing::HandoverTool;
using testing::kHourMs;
using testing::opens;
using testing::statement;
using testing::TestAgent;

TEST_F(AbortHandover, AJoinersWordBindsIt) {
  const auto joiner = another("third");
  HandoverTool tool = with_joiner(*joiner);
  tool.run_to_deal();
  must(tool.prepare_at(pair.cloud));
  must(tool.prepare_at(pair.company));
  const auto said = must(tool.abort_at(*joiner));
  EXPECT_TRUE(verify_void(joiner->identity_key(), tool.sid(), said));
  EXPECT_EQ(code_of(tool.prepare_at(*joiner)), "conflict");
  reopen(*joiner);
  EXPECT_EQ(must(tool.abort_at(*joiner)).size(), said.size());  // again, from nothing
  EXPECT_EQ(code_of(tool.prepare_at(*joiner)), "conflict");
  must(tool.abort_at(pair.cloud, {statement(*joiner, said)}));
  must(tool.abort_at(pair.company, {statement(*joiner, said)}));
  EXPECT_TRUE(still_opens());
  HandoverTool again = with_joiner(*joiner);
  again.epoch = 2;
  again.run();
  enrol_at(*joiner);
  EXPECT_TRUE(opens(again.bundle(), pair.alice, {&pair.cloud, joiner.get()}));
}

TEST_F(AbortHandover, AJoinerThatPreparedVoidsAndForgetsItsShare) {
  const auto joiner = another("third");
  HandoverTool tool = with_joiner(*joiner);
  tool.run_to_sign();
  const Bytes by_sid = testing::control(tool.invitation(*joiner), protocol::ControlKind::abort, tool.sid());
  EXPECT_EQ(code_of(tool.post(*joiner, Route::abort, by_sid)), "conflict");
  const auto said = must(tool.abort_at(*joiner));
  must(tool.abort_at(*joiner));
  EXPECT_EQ(code_of(tool.post(*joiner, Route::activate, tool.bundle().encoded())), "not-found");
  EXPECT_EQ(code_of(tool.prepare_at(*joiner)), "conflict");
  // The others go back, even from the new epoch, which all confirmed and one will never use.
  must(tool.activate_at(pair.cloud));
  must(tool.abort_at(pair.cloud, {statement(*joiner, said)}));
  must(tool.abort_at(pair.company, {statement(*joiner, said)}));
  EXPECT_TRUE(still_opens());
}

TEST_F(AbortHandover, AnInvitationVoidsNothingThatItsAgentHolds) {
  const auto joiner = another("third");
  HandoverTool tool = with_joiner(*joiner);
  tool.run_to_sign();
  // An invitation of an agent that holds the key, and another one of the agent that joins.
  const auto of_cloud = pair.cloud.invite(kHourMs);
  const auto of_joiner = joiner->invite(kHourMs);
  const auto ask = [&](TestAgent& agent, const testing::HeldInvitation& invitation) {
    const protocol::VoidMessage message{invitation.id, tool.the_plan().encoded(), {}};
    return code_of(agent.call(Route::abort, to_hex(tool.sid()), invitation.certificate,
                              message.encode(invitation.secret)));
  };
  EXPECT_EQ(ask(pair.cloud, of_cloud), "conflict");
  EXPECT_EQ(ask(*joiner, of_joiner), "conflict");
  tool.activate();
  EXPECT_EQ(ask(pair.cloud, of_cloud), "conflict");
  EXPECT_EQ(ask(*joiner, of_joiner), "conflict");
  EXPECT_EQ(code_of(tool.abort_at(*joiner)), "conflict");  // the invitation's own: the key is active
}

TEST_F(AbortHandover, AnotherInvitationsVoidForgetsTheOffer) {
  const auto joiner = another("third");
  HandoverTool tool = with_joiner(*joiner);
  tool.run_to_deal();
  const auto other = joiner->invite(kHourMs);
  const protocol::VoidMessage message{other.id, tool.the_plan().encoded(), {}};
  must(joiner->call(Route::abort, to_hex(tool.sid()), other.certificate, message.encode(other.secret)));
  EXPECT_EQ(code_of(tool.prepare_at(*joiner)), "conflict");
}

TEST_F(AbortHandover, AJoinerThatIsActiveAloneHasNoShareAgain) {
  const auto joiner = another("third");
  HandoverTool tool(
      bundle, {&pair.cloud}, pair.admin,
      {.t = 2, .agents = {{&pair.cloud, 1}, {joiner.get(), 2}}, .recovery = 3, .new_recovery = true}, {1, 3});
  tool.deal_with(3, pair.tool.recovery_share());
  tool.approve(pair.cloud);
  tool.run_to_sign();
  must(tool.activate_at(*joiner));
  enrol_at(*joiner);
  const auto said = must(tool.abort_at(pair.cloud));  // confirmed, but the tool is thought not to have signed
  const protocol::AbortRequest request{tool.the_plan().encoded(), {statement(pair.cloud, said)}};
  must(tool.ask(*joiner, HandoverStep::abort, request.encode()));
  EXPECT_TRUE(contains(why(tool.ask(*joiner, HandoverStep::status)),
                       "epoch 1, by which this agent got a share, was taken back"));
  EXPECT_TRUE(still_opens());
}

TEST_F(AbortHandover, TheInvitationOfAKeyTouchesNoLaterEpoch) {
  HandoverTool tool = refresh();
  tool.run_to_sign();
  must(tool.activate_at(pair.cloud));
  const auto& generation = pair.tool;
  const Bytes abort =
      testing::control(pair.tool.invitation(0), protocol::ControlKind::abort, generation.sid());
  EXPECT_EQ(code_of(pair.tool.post(0, Route::abort, abort)), "conflict");
  EXPECT_EQ(code_of(pair.tool.post(0, Route::activate, pair.bundle().encoded())), "conflict");
  EXPECT_EQ(tool.status(pair.cloud).epoch, 1u);
  EXPECT_TRUE(still_opens());  // the epoch before is still there
}

}  // namespace
}  // namespace coprotect::agent::custodian
