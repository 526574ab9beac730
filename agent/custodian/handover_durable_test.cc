#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"

// What of a handover is in the store: it survives restarts and a full disk, and whoever changes it is found.
namespace coprotect::agent::custodian {
namespace {

using protocol::HandoverStep;
using testing::HandoverTool;
using testing::opens;

class DurableHandover : public testing::HandoverFixture {
 protected:
  void fill_disk(bool full) { pair.cloud.custodian().store().limit_pages(full ? 1 : 1'000'000); }
  // Asks for small things until even they have no room.
  void use_up(const HandoverTool&) {
    fill_disk(true);
    const auto file = testing::encrypt(bundle);
    for (int i = 0; i < 60; ++i)
      static_cast<void>(testing::partials(pair.cloud, bundle, pair.ask_for(pair.cloud, {&file}), pair.alice));
  }
  std::string refusal(const std::string& statements) {
    const auto saved = pair.cloud.store().string() + ".saved";
    std::filesystem::copy_file(pair.cloud.store(), saved);
    sql(pair.cloud, statements);
    const auto opened = pair.cloud.try_open();
    pair.cloud.close();
    std::filesystem::rename(saved, pair.cloud.store());
    if (opened) return "opened";
    EXPECT_EQ(opened.error().code(), Code::altered) << statements;
    return opened.error().message();
  }
};

TEST_F(DurableHandover, ARestartAfterEachStepLosesNothing) {
  HandoverTool tool = refresh();
  const auto restart = [&] {
    reopen(pair.cloud);
    reopen(pair.company);
  };
  tool.run_to_deal();
  must(tool.prepare_at(pair.cloud));
  restart();
  EXPECT_EQ(tool.status(pair.cloud).decided, 1u);
  EXPECT_EQ(tool.status(pair.company).decided, 0u);
  const auto prepared = tool.status(pair.cloud).prepared;
  ASSERT_TRUE(prepared);
  EXPECT_EQ(prepared->confirmation.size(), 64u);
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
  // The company forgot what it dealt: that handover cannot be completed, and is aborted.
  EXPECT_EQ(code_of(tool.prepare_at(pair.company)), "conflict");
  const auto said = must(tool.abort_at(pair.company));
  restart();
  EXPECT_EQ(tool.status(pair.company).decided, 1u);
  must(tool.abort_at(pair.cloud, {testing::statement(pair.company, said)}));
  restart();
  EXPECT_EQ(tool.status(pair.cloud).decided, 1u);

  HandoverTool next = refresh();
  next.epoch = 2;
  next.run_to_deal();
  next.prepare();
  restart();
  next.sign();
  must(next.activate_at(pair.cloud));
  restart();
  EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
  EXPECT_EQ(next.status(pair.cloud).epoch, 2u);
  EXPECT_EQ(next.status(pair.company).epoch, 0u);
  must(next.activate_at(pair.company));
  restart();
  EXPECT_TRUE(next.status(pair.company).unacknowledged);
  next.retire();
  restart();
  EXPECT_FALSE(next.status(pair.company).unacknowledged);
  EXPECT_TRUE(opens(next.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

TEST_F(DurableHandover, AJoinersStepsSurviveRestarts) {
  const auto company = another("newcompany");
  HandoverTool tool(bundle, {&pair.cloud}, pair.admin,
                    {.t = 2, .agents = {{&pair.cloud, 1}, {company.get(), 2}}, .recovery = 3}, {1, 3});
  tool.deal_with(3, pair.tool.recovery_share());
  tool.approve(pair.cloud);
  tool.run_to_deal();
  must(tool.prepare_at(pair.cloud));
  const auto said = must(tool.prepare_at(*company));
  reopen(*company);
  EXPECT_TRUE(must(tool.prepare_at(*company)).size() == said.size());
  tool.sign();
  must(tool.activate_at(pair.cloud));
  must(tool.activate_at(*company));
  reopen(*company);
  must(tool.activate_at(*company));
  EXPECT_EQ(code_of(tool.prepare_at(*company)), "conflict");
  enrol_at(*company);
  tool.retire();
  EXPECT_TRUE(opens(tool.bundle(), pair.alice, {&pair.cloud, company.get()}));
}

TEST_F(DurableHandover, AFullDiskLeavesTheOldEpochWorking) {
  HandoverTool tool = refresh();
  const auto both_epochs = [&](std::uint32_t epoch) {
    fill_disk(false);
    EXPECT_EQ(tool.status(pair.cloud).epoch, epoch);
    EXPECT_TRUE(opens(bundle, pair.alice, {&pair.cloud, &pair.company}));
  };
  tool.run_to_deal();
  use_up(tool);
  EXPECT_EQ(code_of(tool.prepare_at(pair.cloud)), "unavailable");
  both_epochs(0);
  EXPECT_FALSE(tool.status(pair.cloud).prepared);
  EXPECT_EQ(tool.status(pair.cloud).decided, 0u);
  tool.prepare();
  tool.sign();
  use_up(tool);
  EXPECT_EQ(code_of(tool.activate_at(pair.cloud)), "unavailable");
  both_epochs(0);
  tool.activate();
  use_up(tool);
  EXPECT_EQ(code_of(tool.retire_at(pair.cloud)), "unavailable");
  both_epochs(1);
  EXPECT_TRUE(tool.status(pair.cloud).unacknowledged);
  tool.retire();
  EXPECT_TRUE(opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

TEST_F(DurableHandover, AFullDiskAbortsNothing) {
  HandoverTool tool = prepare_refresh_at_cloud();
  const auto said = must(tool.abort_at(pair.company));
  use_up(tool);
  EXPECT_EQ(code_of(tool.abort_at(pair.cloud, {testing::statement(pair.company, said)})), "unavailable");
  fill_disk(false);
  EXPECT_TRUE(tool.status(pair.cloud).prepared);
  must(tool.abort_at(pair.cloud, {testing::statement(pair.company, said)}));
}

TEST_F(DurableHandover, AnAlteredRowIsRefused) {
  HandoverTool tool = refresh();
  tool.run_to_sign();
  HandoverTool rescue(bundle, {&pair.cloud, &pair.company}, pair.rescuer, same_holders(), {1, 2});
  must(rescue.ask(pair.cloud, HandoverStep::announce,
                  protocol::Announcement::of(tool.the_plan()->parameters).encode()));
  pair.cloud.close();
  EXPECT_EQ(refusal("SELECT 1"), "opened");
  const std::string key = "key " + to_hex(bundle.key_id());
  for (const std::string change :
       {"decided=0 WHERE epoch=0", "decided=2 WHERE epoch=0", "decided=0 WHERE epoch=1",
        "state=3 WHERE epoch=1", "state=4 WHERE epoch=0", "epoch=2 WHERE epoch=1",
        "recovery_parts=x'' WHERE epoch=1", "recovery_parts=x'00' WHERE epoch=0",
        "recovery_blob=x'' WHERE epoch=1", "shares=x'00' WHERE epoch=1"}) {
    const std::string message = refusal("UPDATE keys SET " + change);
    EXPECT_TRUE(contains(message, key) && contains(message, "MAC")) << change << ": " << message;
  }
  const std::string announced = "announcement for " + key;
  EXPECT_TRUE(contains(refusal("UPDATE announcements SET announcement=x'00'"), announced));
  EXPECT_TRUE(contains(refusal("UPDATE announcements SET mac=x'00'"), announced));
  EXPECT_TRUE(contains(refusal("UPDATE announcements SET key_id=x'00'"), "is of no key"));
}

TEST_F(DurableHandover, AnActiveRowThatIsPutBackIsFound) {
  pair.cloud.close();
  sql(pair.cloud, "CREATE TABLE aside.before AS SELECT * FROM keys");
  pair.cloud.open();
  HandoverTool tool = refresh();
  tool.run();
  pair.cloud.close();
  EXPECT_TRUE(contains(refusal("INSERT INTO keys SELECT * FROM aside.before"), "active in another epoch"));
}

}  // namespace
}  // namespace coprotect::agent::custodian
