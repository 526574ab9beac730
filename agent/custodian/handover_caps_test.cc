#include <gtest/gtest.h>

#include "agent/custodian/testing/test_handover.h"

// What nobody does with a certificate alone as often as he likes: refreshes, which make the history of the
// key longer, and voids, which use up epochs.
namespace coprotect::agent::custodian {
namespace {

using protocol::HandoverStep;
using testing::HandoverTool;
using testing::kHourMs;
using testing::statement;
using testing::TestClient;

class HandoverCaps : public testing::HandoverFixture {
 protected:
  HandoverCaps() { use(pair.cloud, {.refreshes_per_key = 2, .voids_per_client = 2}); }
  static void use(testing::TestAgent& agent, const RequestCaps& caps) {
    agent.requests = caps;
    must(agent.custodian().use(caps));
  }
  void to_the_beginning_of_a_day() {
    constexpr std::int64_t kDayMs = 24 * kHourMs;
    pair.clock->now_ms = (pair.clock->now_ms / kDayMs + 1) * kDayMs + kHourMs;
  }
  // The answer of the cloud's agent to a refresh that it is asked to deal in.
  std::string refreshes() {
    HandoverTool tool = refresh();
    tool.offer();
    tool.plan();
    const auto dealt = tool.deal_at(pair.cloud);
    if (!dealt) return why(dealt);
    HandoverTool whole = refresh();
    whole.run();
    bundle = whole.bundle();
    return "ok";
  }
  // Its answer to the abort of a plan that the client made up; of one that the other agent has voided.
  std::string voids(const TestClient& client, std::uint32_t epoch, testing::TestAgent* other = nullptr) {
    HandoverTool tool(bundle, {&pair.cloud, &pair.company}, client, same_holders(), {1, 2});
    tool.epoch = epoch;
    tool.offer();
    tool.plan();
    std::vector<protocol::Statement> said;
    if (other != nullptr) said.push_back(statement(*other, must(tool.abort_at(*other))));
    return why(tool.abort_at(pair.cloud, std::move(said)));
  }
};

TEST_F(HandoverCaps, AKeyHasSoManyRefreshesADay) {
  to_the_beginning_of_a_day();
  EXPECT_EQ(refreshes(), "ok");
  EXPECT_EQ(refreshes(), "ok");
  EXPECT_EQ(refreshes(), "the key's 2 refreshes of today are used up");
  reopen(pair.cloud);
  EXPECT_EQ(refreshes(), "the key's 2 refreshes of today are used up");
  // Its operator may allow more at once.
  use(pair.cloud, {.refreshes_per_key = 3});
  EXPECT_EQ(refreshes(), "ok");
  EXPECT_EQ(refreshes(), "the key's 3 refreshes of today are used up");
  pair.clock->now_ms += 24 * kHourMs;
  EXPECT_EQ(refreshes(), "ok");
}

// A refresh that was prepared is completed, and a new code is no refresh.
TEST_F(HandoverCaps, NothingElseIsKeptFromAKeyThatWasRefreshedOften) {
  to_the_beginning_of_a_day();
  EXPECT_EQ(refreshes(), "ok");
  EXPECT_EQ(refreshes(), "ok");
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.admin, same_holders(true), {1, 2});
  tool.approve(pair.cloud);
  tool.approve(pair.company);
  tool.run();
  EXPECT_TRUE(testing::opens(tool.bundle(), pair.alice, {&pair.cloud, &pair.company}));
}

TEST_F(HandoverCaps, AClientVoidsSoManyPlansADayThatWereNotPrepared) {
  to_the_beginning_of_a_day();
  EXPECT_EQ(voids(pair.admin, 100), "ok");
  EXPECT_EQ(voids(pair.admin, 100), "ok");  // says the same again, which uses up nothing
  EXPECT_EQ(voids(pair.admin, 200), "ok");
  const std::string used_up = "the client's 2 aborts of what was not prepared of today are used up";
  EXPECT_EQ(voids(pair.admin, 201), used_up);
  reopen(pair.cloud);
  EXPECT_EQ(voids(pair.admin, 201), used_up);
  EXPECT_EQ(refresh().status(pair.cloud).decided, 200u);
  // What was prepared is taken back as ever.
  HandoverTool tool = refresh();
  tool.epoch = 201;
  tool.offer();
  tool.plan();
  tool.deal();
  must(tool.prepare_at(pair.cloud));
  const auto said = must(tool.abort_at(pair.company));
  must(tool.abort_at(pair.cloud, {statement(pair.company, said)}));
  pair.clock->now_ms += 24 * kHourMs;
  EXPECT_EQ(voids(pair.admin, 202), "ok");
}

// A refresh that crossed what agents and clients read would end the key, and erase the epoch before.
TEST(BundleLength, GrowsNoFurtherThanEverybodyReads) {
  const auto code = [](std::size_t bundle, bool refresh) {
    const auto fits = Handovers::check_length(bundle, refresh);
    return fits ? "ok" : code_name(fits.error().code());
  };
  EXPECT_EQ(code(std::size_t{4} << 20, true), "ok");
  EXPECT_EQ(code((std::size_t{4} << 20) + 1, true), "limited");
  EXPECT_EQ(code((std::size_t{4} << 20) + 1, false), "ok") << "a lost agent can still be replaced";
  EXPECT_EQ(code(std::size_t{7} << 20, false), "ok");
  EXPECT_EQ(code((std::size_t{7} << 20) + 1, false), "limited");
}

// Whoever has the client CA's key makes as many clients as he likes.
TEST_F(HandoverCaps, ManyClientsVoidNoMoreOfOneKey) {
  to_the_beginning_of_a_day();
  std::uint32_t epoch = 100;
  std::string said = "ok";
  for (std::uint64_t i = 0; i <= Caps::kVoidingClients; ++i) {
    const TestClient client = pair.acme.enrol("admin", "another-" + std::to_string(i));
    pair.clock->now_ms += 61'000;  // the place of the client before it is free
    const Bytes list = pair.acme.next_list();
    for (testing::TestAgent* const agent : {&pair.cloud, &pair.company})
      must(agent->call(ipc::Route::client_list_put, "acme", pair.admin.certificate.der(), list));
    ASSERT_EQ(said, "ok");
    for (int again = 0; again < 2 && said == "ok"; ++again) said = voids(client, ++epoch);
  }
  EXPECT_EQ(said, "the key's 16 aborts of what was not prepared of today are used up");
  pair.clock->now_ms += 24 * kHourMs;
  EXPECT_EQ(voids(pair.admin, ++epoch), "ok");
}

// One who used up many epochs at one agent keeps nobody from bringing the other one forward.
TEST_F(HandoverCaps, WhatAnotherAgentVoidedCountsForNobody) {
  to_the_beginning_of_a_day();
  for (std::uint32_t epoch = 100; epoch <= 500; epoch += 100)
    EXPECT_EQ(voids(pair.admin, epoch, &pair.company), "ok") << epoch;
  EXPECT_EQ(voids(pair.admin, 600), "ok");
  EXPECT_EQ(voids(pair.admin, 700), "ok");
  EXPECT_NE(voids(pair.admin, 800), "ok");
}

// Whoever has the kit does what it announced. By a refresh of its own it could use up epochs, and end what an
// administrator began.
TEST_F(HandoverCaps, ARecoveryAdministratorDoesNotRefresh) {
  HandoverTool tool(bundle, {&pair.cloud, &pair.company}, pair.rescuer, same_holders(), {1, 2});
  tool.offer();
  tool.plan();
  const auto dealt = tool.deal_at(pair.cloud);
  EXPECT_EQ(code_of(dealt), "denied");
  EXPECT_EQ(why(dealt), "a refresh needs a certificate of role admin");
  EXPECT_EQ(code_of(tool.abort_at(pair.cloud)), "denied");
  EXPECT_EQ(refresh().status(pair.cloud).decided, 0u);
}

}  // namespace
}  // namespace coprotect::agent::custodian
