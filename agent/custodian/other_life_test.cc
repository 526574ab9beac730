#include "agent/custodian/other_life.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "agent/custodian/testing/test_put_back.h"
#include "protocol/message/key_list.h"

// A copy of an agent's folder that is started beside the live agent, with the one token of both.
namespace coprotect::agent::custodian {
namespace {

using protocol::KeyUse;
using testing::TestAgent;

constexpr std::int64_t kWaitMs = 2000;
constexpr std::int64_t kRoundMs = 60'000;

class SecondLife : public testing::PutBack {
 protected:
  SecondLife() {
    live.close();
    live.destroy_wait = std::chrono::milliseconds(kWaitMs);
    live.open();
  }

  // The tenant destroys its key; its shares are due for erasure at both lives once kWaitMs is over.
  void destroy_key() {
    const std::int64_t now = pair.clock->now_ms;
    const protocol::KeyList list{.tenant = "acme",
                                 .serial = 1,
                                 .time_ms = now,
                                 .keys = {{pair.bundle().key_id(), KeyUse::destroyed, now + kWaitMs}}};
    must(live.call(ipc::Route::key_list_put, "acme", pair.admin.certificate.der(),
                   list.sign(pair.acme.ca_key())));
  }
  // What restore-backup makes of a backup of this moment, in another folder, and starts.
  std::unique_ptr<TestAgent> restore_copy() {
    live.close();
    auto copy = std::make_unique<TestAgent>(live, scratch / "copy");
    std::ofstream(copy->state() / "restored") << "by a test\n";
    live.open();
    copy->open();
    return copy;
  }
  static void sweep(TestAgent& agent) { agent.custodian().sweep(); }
  // Whether the agent's shares open with what is in the token.
  static std::string restarts(TestAgent& agent) {
    agent.close();
    const auto opened = agent.try_open();
    return opened ? "ok" : opened.error().message();
  }
  bool erased(TestAgent& agent) {
    const auto entries = testing::read_log(agent, pair.bundle(), pair.admin);
    return std::ranges::any_of(
        entries, [](const auto& entry) { return entry.detail == "the destroyed key's shares are erased"; });
  }
  void round(TestAgent& agent) {
    pair.clock->now_ms += kRoundMs;
    settle(agent, pair.company);
  }

  TestAgent& live = pair.cloud;
};

TEST_F(SecondLife, ErasesNothingBesideTheLiveAgent) {
  destroy_key();
  const auto copy = restore_copy();
  live.hold_erasure(pair.bundle().key_id());
  sweep(live);
  settle(live, pair.company);
  pair.clock->now_ms += 2 * kWaitMs;

  settle(*copy, pair.company);  // it serves from now on
  sweep(*copy);
  EXPECT_FALSE(erased(*copy));
  EXPECT_EQ(restarts(*copy), "ok");
  settle(*copy, pair.company);
  sweep(*copy);
  ASSERT_EQ(restarts(live), "ok");
}

TEST_F(SecondLife, IsNoticedByBothWhichEraseNothing) {
  destroy_key();
  const auto copy = restore_copy();
  settle(live, pair.company);
  settle(*copy, pair.company);
  pair.clock->now_ms += kRoundMs;
  const std::string told = settle(live, pair.company);
  EXPECT_NE(told.find("two agents of one identity run"), std::string::npos) << told;
  const auto report = health(live);
  EXPECT_EQ(report["status"], "degraded");
  EXPECT_NE(std::string(report["store"]).find("stop the copy"), std::string::npos) << report;
  EXPECT_NE(store_entries(live).back().detail.find("two agents of one identity run"), std::string::npos);
  const std::string copy_told = settle(*copy, pair.company);
  EXPECT_NE(copy_told.find("two agents of one identity run"), std::string::npos) << copy_told;
  // As long as both ask.
  for (int i = 0; i < 5; ++i) {
    round(live);
    round(*copy);
    sweep(live);
    sweep(*copy);
  }
  EXPECT_FALSE(erased(live));
  EXPECT_FALSE(erased(*copy));
  EXPECT_EQ(restarts(*copy), "ok");
  EXPECT_EQ(restarts(live), "ok");

  // Once the copy is stopped the live agent goes on by itself.
  copy->close();
  for (int i = 0; i < 4; ++i) round(live);
  EXPECT_EQ(health(live)["store"], "ok");
  EXPECT_EQ(store_entries(live).back().detail, OtherLife::kGone);
  sweep(live);
  EXPECT_TRUE(erased(live));
  EXPECT_EQ(restarts(live), "ok");
}

TEST_F(SecondLife, ThatRanWhileTheAgentWasStoppedErasedNothing) {
  destroy_key();
  const auto copy = restore_copy();
  live.close();
  pair.clock->now_ms += 2 * kWaitMs;
  settle(*copy, pair.company);
  for (int i = 0; i < 14; ++i) {  // seconds, as many as a try takes
    pair.clock->now_ms += 1000;
    settle(*copy, pair.company);
    sweep(*copy);
  }
  copy->close();
  EXPECT_EQ(restarts(live), "ok");
}

TEST_F(SecondLife, IsRuledOutOnlyByAnswersOfSeveralRounds) {
  save(live);
  put_back(live, true);
  const auto& other = [&]() -> const OtherLife& { return live.custodian().peers().other_life(); };
  for (int i = 0; i < 10; ++i) settle(live, pair.company);
  EXPECT_TRUE(other().suspected());
  round(live);
  round(live);
  // A restart begins to count again, and forgets nothing.
  EXPECT_EQ(restarts(live), "ok");
  settle(live, pair.company);
  round(live);
  round(live);
  EXPECT_TRUE(other().suspected());
  EXPECT_FALSE(other().check());
  const std::int64_t before = live.custodian().peers().requests_from_ms();
  round(live);
  EXPECT_FALSE(other().suspected());
  EXPECT_EQ(live.custodian().peers().requests_from_ms(), before);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(other().check());
    EXPECT_EQ(live.custodian().peers().requests_from_ms(), before);
    EXPECT_EQ(restarts(live), "ok");
  }
  // What an old log says of an earlier suspicion ends none of a store that is restored later.
  save(live);
  put_back(live, true);
  EXPECT_FALSE(other().check());
}

TEST_F(SecondLife, IsRuledOutByTheOperatorsWord) {
  save(live);
  put_back(live, true);
  settle(live, pair.company);
  EXPECT_TRUE(live.custodian().peers().other_life().suspected());
  EXPECT_TRUE(must(live.custodian().peers().accept_restored()));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(live.custodian().peers().other_life().check());
    EXPECT_FALSE(must(live.custodian().peers().accept_restored()));
    EXPECT_EQ(restarts(live), "ok");
  }
}

TEST_F(SecondLife, IsNotSeenInALostAnswer) {
  must(decrypt(live));
  must(bring(question(live), live, pair.company));
  must(decrypt(live));
  must(bring(question(live), live, pair.company));
  EXPECT_EQ(settle(live, pair.company), "");
  EXPECT_FALSE(live.custodian().peers().other_life().suspected());
}

}  // namespace
}  // namespace coprotect::agent::custodian
