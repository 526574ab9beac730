#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"

// How a handover ends without a new epoch: who may say so when, and that no key is lost or forked by it.
namespace coprotect::agent::custodian {
namespace {

using ipc::Route;
using protocol::HandoverStep;
using protocol::verify_void;
using testing::HandoverTool;
using testing::kHourMs;
using testing::opens;
using testing::statement;
using testing::TestAgent;

class AbortHandover : public testing::HandoverFixture {
 protected:
  void dealt(HandoverTool& tool) {
    tool.offer();
    tool.plan();
    tool.deal();
  }
  void prepared(HandoverTool& tool) {
    dealt(tool);
    tool.prepare();
    tool.sign();
  }
  bool still_opens() { return opens(bundle, pair.alice, {&pair.cloud, &pair.company}); }
  // To three agents, one of which joins.
  HandoverTool with_joiner(TestAgent& joiner) {
    HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin,
                      {.t = 2, .agents = {{&pair.cloud, 1}, {&pair.company, 2}, {&joiner, 3}}, .recovery = 4},
                      {1, 2});
    tool.approve(pair.cloud);
    tool.approve(pair.company);
    return tool;
  }
};

TEST_F(AbortHandover, BeforeItIsConfirmedAnyAdministratorDoes) {
  HandoverTool tool = refresh();
  dealt(tool);
  const auto said = must(tool.abort_at(pair.cloud));
  EXPECT_TRUE(verify_void(pair.cloud.identity_key(), tool.sid(), said));
  EXPECT_TRUE(verify_void(pair.cloud.identity_key(), tool.sid(), must(tool.abort_at(pair.cloud))));  // again
  EXPECT_EQ(code_of(tool.prepare_at(pair.cloud)), "conflict");
  EXPECT_EQ(code_of(tool.deal_at(pair.cloud)), "conflict");
  EXPECT_TRUE(still_opens());
}

TEST_F(AbortHandover, WhatWasVoidedIsNeverConfirmedNorItsEpochUsedAgain) {
  HandoverTool tool = refresh();
  dealt(tool);
  must(tool.abort_at(pair.cloud));
  reopen(pair.cloud);
  HandoverTool same_epoch = refresh();
  same_epoch.offer();
  same_epoch.plan();
  const auto refused = same_epoch.deal_at(pair.cloud);
  EXPECT_EQ(code_of(refused), "conflict");
  EXPECT_EQ(why(refused), "epoch 1 is not to be decided here; the next one is 2");
  HandoverTool next = refresh();
  next.epoch = 2;
  next.run();
  EXPECT_TRUE(opens(next.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

TEST_F(AbortHandover, APlanThatDoesNotFollowUsesUpNoEpoch) {
  HandoverTool tool = refresh();
  dealt(tool);
  const auto code_of_abort = [&](void (*change)(protocol::HandoverPlan::Fields&)) {
    auto fields = tool.the_plan().fields();
    fields.epoch = 200;
    change(fields);
    const auto plan = must(protocol::HandoverPlan::make(std::move(fields)));
    return code_of(
        tool.ask(pair.cloud, HandoverStep::abort, protocol::AbortRequest{plan.encoded(), {}}.encode()));
  };
  EXPECT_EQ(code_of_abort([](auto& fields) { fields.previous[0] ^= 1; }), "conflict");
  EXPECT_EQ(code_of_abort([](auto& fields) { fields.dealers = {1}; }), "malformed");
  EXPECT_EQ(code_of_abort([](auto& fields) { fields.epoch = 257; }), "conflict");
  EXPECT_EQ(tool.status(pair.cloud).decided, 0u);
  // Nor does it end the handover that runs.
  tool.prepare();
  tool.sign();
  tool.activate();
  tool.retire();
  // Of an epoch that is over, the agent says truly that it never confirms it.
  HandoverTool late = refresh();
  late.epoch = 1;
  late.offer();
  late.plan();
  EXPECT_EQ(code_of(late.abort_at(pair.cloud)), "ok");
  late.epoch = 2;
  late.plan();
  EXPECT_EQ(code_of(late.abort_at(pair.cloud)), "conflict");
}

// Somebody with an administrator's certificate uses up numbers at one agent. The others can follow.
TEST_F(AbortHandover, ManyVoidsAtOneAgentStopNoHandover) {
  const auto abort = [&](TestAgent& agent, std::uint32_t epoch) {
    HandoverTool tool = refresh();
    tool.epoch = epoch;
    tool.offer();
    tool.plan();
    must(tool.abort_at(agent));
  };
  abort(pair.cloud, 200);
  abort(pair.cloud, 400);
  HandoverTool next = refresh();
  next.epoch = 401;
  next.offer();
  next.plan();
  EXPECT_EQ(code_of(next.deal_at(pair.company)), "conflict");
  abort(pair.company, 256);
  HandoverTool again = refresh();
  again.epoch = 401;
  again.run();
  EXPECT_TRUE(opens(again.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

// It forgot that it did: its peer has not.
TEST_F(AbortHandover, AStoreThatWasPutBackVoidsNothingThatItAcknowledged) {
  const auto settle = [](TestAgent& asker, TestAgent& asked) {
    for (int i = 0; i < 4; ++i) {
      const auto question = must(asker.custodian().peers().ask()).at(0);
      const auto answer = must(asked.call(Route::peer_state, "", asker.tls_certificate(), question.body));
      if (!must(asker.custodian().peers().heard(question, answer)).ask_again) return;
    }
  };
  settle(pair.cloud, pair.company);
  pair.cloud.close();
  std::filesystem::copy_file(pair.cloud.store(), scratch / "saved.db");
  pair.cloud.open();
  HandoverTool tool = refresh();
  prepared(tool);
  tool.activate();  // both say so
  settle(pair.cloud, pair.company);
  pair.cloud.close();
  std::filesystem::copy_file(scratch / "saved.db", pair.cloud.store(),
                             std::filesystem::copy_options::overwrite_existing);
  pair.cloud.open();
  pair.clock->now_ms += 1000;
  settle(pair.cloud, pair.company);
  pair.clock->now_ms += 1000;
  for (int starts = 0; starts < 2; ++starts) {
    const auto refused = tool.abort_at(pair.cloud);
    EXPECT_EQ(code_of(refused), "conflict");
    EXPECT_TRUE(contains(why(refused), "may have been acknowledged here")) << why(refused);
    HandoverTool same_epoch = refresh();
    same_epoch.offer();
    same_epoch.plan();
    EXPECT_EQ(why(same_epoch.deal_at(pair.cloud)), "epoch 1 is not to be decided here; the next one is 2");
    reopen(pair.cloud);
  }
}

TEST_F(AbortHandover, OnceConfirmedItNeedsAnotherPartysWord) {
  HandoverTool tool = refresh();
  dealt(tool);
  must(tool.prepare_at(pair.cloud));
  const auto own = protocol::void_handover(tool.sid(), pair.cloud.stolen_identity());
  EXPECT_EQ(code_of(tool.abort_at(pair.cloud, {statement(pair.cloud, own)})), "conflict");
  const auto refused = tool.abort_at(pair.cloud);
  EXPECT_EQ(code_of(refused), "conflict");
  EXPECT_TRUE(contains(why(refused), "is confirmed here"));
  const auto said = must(tool.abort_at(pair.company));  // who did not confirm
  EXPECT_EQ(code_of(tool.abort_at(pair.cloud, {statement(pair.company, {})})), "conflict");
  EXPECT_EQ(code_of(tool.abort_at(pair.cloud, {statement(pair.cloud, said)})), "conflict");
  must(tool.abort_at(pair.cloud, {statement(pair.company, said)}));
  EXPECT_EQ(code_of(tool.prepare_at(pair.company)), "conflict");
  EXPECT_FALSE(tool.status(pair.cloud).prepared);
  EXPECT_EQ(tool.status(pair.cloud).decided, 1u);
  EXPECT_TRUE(still_opens());
}

TEST_F(AbortHandover, WhatAllConfirmedIsCompleted) {
  HandoverTool tool = refresh();
  prepared(tool);
  EXPECT_EQ(code_of(tool.abort_at(pair.cloud)), "conflict");
  EXPECT_EQ(code_of(tool.abort_at(pair.company)), "conflict");
  reopen(pair.cloud);
  tool.activate();
  for (TestAgent* const agent : {&pair.cloud, &pair.company}) {
    const auto refused = tool.abort_at(*agent);
    EXPECT_EQ(code_of(refused), "conflict");
    EXPECT_TRUE(contains(why(refused), "is active here"));
  }
  tool.retire();
  EXPECT_EQ(code_of(tool.abort_at(pair.cloud)), "conflict");
  EXPECT_TRUE(opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

TEST_F(AbortHandover, ANewRecoveryPartyThatNeverSignedIsNoObstacle) {
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true), {1, 2});
  tool.approve(pair.cloud);
  tool.approve(pair.company);
  dealt(tool);
  tool.prepare();
  must(tool.abort_at(pair.cloud));
  must(tool.abort_at(pair.company));
  EXPECT_TRUE(still_opens());
  EXPECT_EQ(testing::recovery_of(pair.cloud, bundle, pair.admin).first, pair.tool.blob());
}

TEST_F(AbortHandover, AnEpochThatIsActiveAtOneAgentAloneIsTakenBack) {
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true), {1, 2});
  tool.approve(pair.cloud);
  tool.approve(pair.company);
  prepared(tool);
  must(tool.activate_at(pair.cloud));
  const auto said = must(tool.abort_at(pair.company));
  EXPECT_EQ(code_of(tool.activate_at(pair.company)), "conflict");
  EXPECT_EQ(code_of(tool.abort_at(pair.cloud)), "conflict");
  reopen(pair.cloud);
  must(tool.abort_at(pair.cloud, {statement(pair.company, said)}));
  reopen(pair.cloud);
  EXPECT_EQ(tool.status(pair.cloud).epoch, 0u);
  EXPECT_EQ(tool.status(pair.cloud).decided, 1u);
  EXPECT_EQ(code_of(tool.activate_at(pair.cloud)), "conflict");
  EXPECT_TRUE(still_opens());
  EXPECT_TRUE(contains(ceremonies(pair.cloud).back(), "which was active here alone"));
}

TEST_F(AbortHandover, WhatWasVoidedWhileAnotherWasPreparedStaysVoid) {
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true), {1, 2});
  tool.approve(pair.cloud);
  tool.approve(pair.company);
  prepared(tool);
  HandoverTool later = refresh();
  later.epoch = 2;
  later.offer();
  later.plan();
  must(later.abort_at(pair.cloud));
  EXPECT_EQ(tool.status(pair.cloud).decided, 2u);
  must(tool.activate_at(pair.cloud));
  EXPECT_EQ(tool.status(pair.cloud).decided, 2u);
  const auto said = must(tool.abort_at(pair.company));
  must(tool.abort_at(pair.cloud, {statement(pair.company, said)}));
  EXPECT_EQ(tool.status(pair.cloud).decided, 2u);
  later.offer();
  EXPECT_EQ(code_of(later.deal_at(pair.cloud)), "conflict");
}

TEST_F(AbortHandover, AFinishedEpochIsNotVoidedAnyMore) {
  HandoverTool first = refresh();
  first.run();
  bundle = first.bundle();
  HandoverTool second = refresh();
  second.run();
  const auto refused = first.abort_at(pair.cloud);
  EXPECT_EQ(code_of(refused), "conflict");
  EXPECT_TRUE(contains(why(refused), "is finished"));
  EXPECT_EQ(code_of(second.abort_at(pair.cloud, {statement(pair.company, {})})), "conflict");
}

TEST_F(AbortHandover, AJoinersWordBindsIt) {
  const auto joiner = another("third");
  HandoverTool tool = with_joiner(*joiner);
  dealt(tool);
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
  prepared(tool);
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
  prepared(tool);
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
  dealt(tool);
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
  prepared(tool);
  must(tool.activate_at(*joiner));
  enrol_at(*joiner);
  const auto said = must(tool.abort_at(pair.cloud));  // confirmed, but the tool is thought not to have signed
  const protocol::AbortRequest request{tool.the_plan().encoded(), {statement(pair.cloud, said)}};
  must(tool.ask(*joiner, HandoverStep::abort, request.encode()));
  EXPECT_FALSE(tool.ask(*joiner, HandoverStep::status));
  EXPECT_TRUE(still_opens());
}

TEST_F(AbortHandover, TheInvitationOfAKeyTouchesNoLaterEpoch) {
  HandoverTool tool = refresh();
  prepared(tool);
  must(tool.activate_at(pair.cloud));
  const auto& generation = pair.tool;
  const Bytes abort =
      testing::control(pair.tool.invitation(0), protocol::ControlKind::abort, generation.sid());
  EXPECT_EQ(code_of(pair.tool.post(0, Route::abort, abort)), "conflict");
  EXPECT_EQ(code_of(pair.tool.post(0, Route::activate, pair.bundle().encoded())), "conflict");
  EXPECT_EQ(tool.status(pair.cloud).epoch, 1u);
  EXPECT_TRUE(still_opens());  // the epoch before is still there
}

TEST_F(AbortHandover, AnotherMayRestoreWhatALostCompanyLeftUnfinished) {
  HandoverTool unfinished = refresh();
  dealt(unfinished);
  must(unfinished.prepare_at(pair.cloud));
  // The company is gone; a refresh cannot go on, a new company can.
  HandoverTool next = refresh();
  next.epoch = 2;
  next.offer();
  next.plan();
  EXPECT_TRUE(contains(why(next.deal_at(pair.cloud)), "is prepared here, to epoch 1"));
  const auto company = another("newcompany");
  HandoverTool restore(bundle, {&pair.cloud}, pair.admin,
                       {.t = 2, .agents = {{&pair.cloud, 1}, {company.get(), 2}}, .recovery = 3}, {1, 3});
  restore.epoch = 2;
  restore.deal_with(3, pair.tool.recovery_share());
  restore.approve(pair.cloud);
  restore.run();
  enrol_at(*company);
  EXPECT_TRUE(opens(restore.bundle(), pair.alice, {&pair.cloud, company.get()}));
  must(unfinished.abort_at(pair.cloud));  // never to be confirmed again
  EXPECT_EQ(unfinished.status(pair.cloud).epoch, 2u);
}

}  // namespace
}  // namespace coprotect::agent::custodian
