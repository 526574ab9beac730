#include <gtest/gtest.h>

#include "agent/custodian/testing/test_abort.h"

// How a handover ends without a new epoch: who may say so when, and that no key is lost or forked by it.
namespace coprotect::agent::custodian {
namespace {

using protocol::HandoverStep;
using protocol::verify_void;
using testing::AbortHandover;
using testing::HandoverTool;
using testing::kHourMs;
using testing::opens;
using testing::statement;
using testing::TestAgent;

TEST_F(AbortHandover, BeforeItIsConfirmedAnyAdministratorDoes) {
  HandoverTool tool = refresh();
  tool.run_to_deal();
  const auto said = must(tool.abort_at(pair.cloud));
  EXPECT_TRUE(verify_void(pair.cloud.identity_key(), tool.sid(), said));
  EXPECT_TRUE(verify_void(pair.cloud.identity_key(), tool.sid(), must(tool.abort_at(pair.cloud))));  // again
  EXPECT_EQ(code_of(tool.prepare_at(pair.cloud)), "conflict");
  EXPECT_EQ(code_of(tool.deal_at(pair.cloud)), "conflict");
  EXPECT_TRUE(still_opens());
}

TEST_F(AbortHandover, WhatWasVoidedIsNeverConfirmedNorItsEpochUsedAgain) {
  HandoverTool tool = refresh();
  tool.run_to_deal();
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
  tool.run_to_deal();
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
  late.send_blob(pair.tool.blob());
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

// It forgot that it did: its peer has not. However often the same store is put back.
TEST_F(AbortHandover, AStoreThatWasPutBackVoidsNothingThatItAcknowledged) {
  settle(pair.cloud, pair.company);
  save(pair.cloud);
  HandoverTool tool = refresh();
  tool.run_to_sign();
  tool.activate();  // both say so
  settle(pair.cloud, pair.company);
  for (int times = 0; times < 3; ++times) {
    put_back(pair.cloud);
    for (int minutes = 0; minutes < 3; ++minutes) settle(pair.cloud, pair.company);
    pair.clock->now_ms += 1000;
    for (int starts = 0; starts < 2; ++starts) {
      const auto refused = tool.abort_at(pair.cloud);
      EXPECT_EQ(code_of(refused), "conflict") << times;
      EXPECT_TRUE(contains(why(refused), "may have been acknowledged here")) << why(refused);
      EXPECT_EQ(tool.status(pair.cloud).decided, 1u);
      HandoverTool same_epoch = refresh();
      same_epoch.offer();
      same_epoch.plan();
      EXPECT_EQ(why(same_epoch.deal_at(pair.cloud)), "epoch 1 is not to be decided here; the next one is 2");
      reopen(pair.cloud);
    }
  }
}

// The peer kept its own word of an epoch that it has no share of any more.
TEST_F(AbortHandover, AStoreThatIsPutBackTwiceServesNoOlderEpoch) {
  save(pair.cloud);
  HandoverTool tool = refresh();
  tool.run();
  settle(pair.cloud, pair.company);
  for (int times = 0; times < 3; ++times) {
    put_back(pair.cloud);
    for (int minutes = 0; minutes < 3; ++minutes) settle(pair.cloud, pair.company);
    EXPECT_EQ(code_of(tool.ask(pair.cloud, HandoverStep::status)), "unavailable") << times;
  }
}

// Who stole kit and code would void each new code that ends them, and each refresh.
TEST_F(AbortHandover, AStolenKitVoidsNothingThatItDidNotBegin) {
  const auto stolen = [&](TestAgent& agent, const protocol::HandoverPlan& plan,
                          std::vector<protocol::Statement> voids = {}) {
    HandoverTool thief(bundle, {&pair.cloud, &pair.company}, pair.rescuer, same_holders(), {1, 2});
    return thief.ask(agent, HandoverStep::abort, protocol::AbortRequest{plan.encoded(), voids}.encode());
  };
  // It does not use up the epoch by a plan that it made up, with an agent of its own that voids it.
  const auto evil = another("evilcompany");
  HandoverTool made_up(bundle, {&pair.cloud, &pair.company}, pair.rescuer,
                       {.t = 2, .agents = {{&pair.cloud, 1}, {evil.get(), 2}}, .recovery = 3}, {1, 2});
  made_up.offer();
  made_up.plan();
  const auto own_void = statement(*evil, protocol::void_handover(made_up.sid(), evil->stolen_identity()));
  EXPECT_EQ(code_of(stolen(pair.cloud, made_up.the_plan())), "denied");
  EXPECT_EQ(code_of(stolen(pair.cloud, made_up.the_plan(), {own_void})), "denied");
  HandoverTool code(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true), {1, 2});
  code.approve(pair.cloud);
  code.approve(pair.company);
  code.run_to_deal();
  must(code.prepare_at(pair.company));
  EXPECT_EQ(code_of(stolen(pair.cloud, made_up.the_plan(), {own_void})), "denied");
  for (TestAgent* const agent : {&pair.cloud, &pair.company}) {  // dealt, and prepared
    const auto refused = stolen(*agent, code.the_plan());
    EXPECT_EQ(code_of(refused), "denied");
    EXPECT_TRUE(contains(why(refused), "an administrator")) << why(refused);
  }
  EXPECT_EQ(code.status(pair.cloud).decided, 0u);
  must(code.prepare_at(pair.cloud));
  // What it announced without waiting helps nothing either.
  HandoverTool announces(bundle, {&pair.cloud, &pair.company}, pair.rescuer, same_holders(), {1, 2});
  must(announces.ask(pair.cloud, HandoverStep::announce,
                     protocol::Announcement::of(code.the_plan()->parameters).encode()));
  EXPECT_EQ(code_of(stolen(pair.cloud, code.the_plan())), "denied");
  code.sign();
  code.activate();
  code.retire();
  EXPECT_TRUE(opens(code.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

// Another party's word is enough, whoever shows it, and an announcement that stood for the whole wait.
TEST_F(AbortHandover, ARecoveryAdministratorTakesBackWhatStandsInItsWay) {
  HandoverTool rescue(bundle, {&pair.cloud, &pair.company}, pair.rescuer, same_holders(), {1, 2});
  const auto rescued = [&](TestAgent& agent, const protocol::HandoverPlan& plan,
                           std::vector<protocol::Statement> voids = {}) {
    return rescue.ask(agent, HandoverStep::abort, protocol::AbortRequest{plan.encoded(), voids}.encode());
  };
  HandoverTool code(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true), {1, 2});
  code.approve(pair.cloud);
  code.approve(pair.company);
  code.run_to_deal();
  must(code.prepare_at(pair.cloud));
  const auto said = must(code.abort_at(pair.company));
  EXPECT_EQ(code_of(rescued(pair.cloud, code.the_plan())), "denied");
  EXPECT_EQ(code_of(rescued(pair.cloud, code.the_plan(), {statement(pair.company, said)})), "ok");
  // What it began itself, while the agent has it.
  pair.clock->now_ms += 61'000;
  HandoverTool own(bundle, {&pair.cloud, &pair.company}, pair.rescuer, same_holders(true), {1, 2});
  own.epoch = 2;
  own.approve(pair.cloud);
  own.approve(pair.company);
  own.run_to_deal();
  EXPECT_EQ(code_of(own.abort_at(pair.cloud)), "ok");
  // The company is lost, with a new code that it prepared: nobody else is left to take that back.
  HandoverTool lost(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true), {1, 2});
  lost.epoch = 3;
  lost.approve(pair.cloud);
  lost.approve(pair.company);
  lost.run_to_deal();
  must(lost.prepare_at(pair.cloud));
  const auto company = another("newcompany");
  HandoverTool restore(bundle, {&pair.cloud}, pair.rescuer,
                       {.t = 2, .agents = {{&pair.cloud, 1}, {company.get(), 2}}, .recovery = 3}, {1, 3});
  restore.deal_with(3, pair.tool.recovery_share());
  restore.offer();
  restore.plan();
  must(announce(restore));
  EXPECT_EQ(code_of(rescued(pair.cloud, lost.the_plan())), "denied");
  pair.clock->now_ms += 24 * kHourMs;
  EXPECT_EQ(code_of(rescued(pair.cloud, lost.the_plan())), "ok");
}

TEST_F(AbortHandover, OnceConfirmedItNeedsAnotherPartysWord) {
  HandoverTool tool = prepare_refresh_at_cloud();
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
  tool.run_to_sign();
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
  tool.run_to_deal();
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
  tool.run_to_sign();
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
  EXPECT_TRUE(contains(ceremonies(pair.cloud).back(), "which was active here"));
}

TEST_F(AbortHandover, WhatWasVoidedWhileAnotherWasPreparedStaysVoid) {
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true), {1, 2});
  tool.approve(pair.cloud);
  tool.approve(pair.company);
  tool.run_to_sign();
  HandoverTool later = refresh();
  later.epoch = 2;
  later.offer();
  later.plan();
  must(later.abort_at(pair.cloud));
  EXPECT_EQ(tool.status(pair.cloud).decided, 2u);
  must(tool.activate_at(pair.cloud));
  EXPECT_EQ(tool.status(pair.cloud).decided, 2u);
  abort_at_both(tool);
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

TEST_F(AbortHandover, AnotherMayRestoreWhatALostCompanyLeftUnfinished) {
  HandoverTool unfinished = prepare_refresh_at_cloud();
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
