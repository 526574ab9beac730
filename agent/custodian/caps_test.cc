#include <gtest/gtest.h>

#include "agent/custodian/testing/test_refusal.h"

// How many requests of a day are answered, and whose cap each of them counts against.
namespace coprotect::agent::custodian {
namespace {

using protocol::LogBody;
using testing::Asking;
using testing::encrypt;
using testing::kHourMs;

class DailyCaps : public testing::TestRefusal {};

TEST_F(DailyCaps, CapReachedAlsoAfterARestart) {
  expected_computed = 5;
  constexpr std::int64_t kDayMs = 24 * kHourMs;
  pair.clock->now_ms = (pair.clock->now_ms / kDayMs + 1) * kDayMs - kHourMs;  // the last hour of a day
  EXPECT_EQ(code(asking(), pair.rescuer), "ok");
  EXPECT_EQ(code(asking(), pair.rescuer), "ok");
  EXPECT_EQ(code(asking(), pair.rescuer), "limited");
  EXPECT_EQ(message, "the client's 2 requests of today are used up");
  EXPECT_EQ(last_outcome(), "limited");
  pair.cloud.close();
  pair.cloud.open();
  EXPECT_EQ(code(asking(), pair.rescuer), "limited");
  EXPECT_EQ(code(testing::ask(pair.cloud, pair.bundle(), LogBody{1, 1}), pair.admin), "ok");
  // Others have what is left of the key's.
  EXPECT_EQ(code(asking(), pair.alice), "ok");
  EXPECT_EQ(code(asking(), pair.alice), "limited");
  EXPECT_EQ(message, "the key's 3 requests of today are used up");
  // Its operator may give more at once.
  ASSERT_TRUE(pair.cloud.custodian().use({.per_key = 4, .per_client = 2, .recoveries_per_key = 1}));
  EXPECT_EQ(code(asking(), pair.alice), "ok");
  EXPECT_EQ(code(asking(), pair.alice), "limited");
  pair.clock->now_ms += kHourMs;
  EXPECT_EQ(code(asking(), pair.rescuer), "ok");
}

TEST_F(DailyCaps, RecoveryHasACapOfItsOwn) {
  expected_computed = 4;
  EXPECT_EQ(code(asking(), pair.rescuer), "ok");
  EXPECT_EQ(code(asking(), pair.rescuer), "ok");
  EXPECT_EQ(code(asking(), pair.alice), "ok");
  const auto recover = [this] {
    Asking recovering = asking();
    recovering.request.action = protocol::Action::recover;
    return code(recovering, pair.rescuer);
  };
  EXPECT_EQ(recover(), "ok");
  EXPECT_EQ(recover(), "limited");
  EXPECT_EQ(message, "the key's 1 recoveries of today are used up");
}

// Otherwise anybody who is enrolled keeps everybody else out until midnight.
TEST_F(DailyCaps, WhoMayDecryptNothingUsesUpHisOwnCapAlone) {
  expected_computed = 2;
  const testing::TestFile closed =
      encrypt(pair.bundle(), R"({"version":1,"allow":{"users":["coprotect:acme:user:bob"]}})");
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(code(pair.ask_for(pair.cloud, {&closed}), pair.alice), i < 2 ? "ok" : "limited");
  EXPECT_EQ(message, "the client's 2 requests of today are used up");
  EXPECT_EQ(code(asking(), pair.rescuer), "ok");
  EXPECT_EQ(code(asking(), pair.rescuer), "ok");
}

}  // namespace
}  // namespace coprotect::agent::custodian
