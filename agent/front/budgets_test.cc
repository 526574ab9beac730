#include "agent/front/budgets.h"

#include <gtest/gtest.h>

namespace coprotect::agent::front {
namespace {

constexpr std::size_t kMib = std::size_t{1} << 20;

Holder acme(const std::string& key) {
  return {.key = key, .tenant = "acme"};
}
Holder bolt(const std::string& key) {
  return {.key = key, .tenant = "bolt"};
}
Holder agent(const std::string& key) {
  return {.key = key, .tenant = {}};
}

class BudgetsTest : public testing::Test {
 protected:
  void expect_refused(const Status& status, Code code) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), code) << status.error().message();
  }

  Budgets budgets_{{.requests = 5,
                    .requests_per_client = 2,
                    .requests_per_peer = 3,
                    .body_mib = 20,
                    .body_mib_per_client = 10}};
};

TEST_F(BudgetsTest, ClientHasSoManyRequests) {
  EXPECT_TRUE(budgets_.begin(acme("alice"), 0));
  EXPECT_TRUE(budgets_.begin(acme("alice"), 0));
  expect_refused(budgets_.begin(acme("alice"), 0), Code::limited);
  EXPECT_TRUE(budgets_.begin(acme("bob"), 0));
  budgets_.end(acme("alice"), 0);
  EXPECT_TRUE(budgets_.begin(acme("alice"), 0));
}

TEST_F(BudgetsTest, PeerHasMore) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(budgets_.begin(agent("peer"), 0));
  expect_refused(budgets_.begin(agent("peer"), 0), Code::limited);
}

TEST_F(BudgetsTest, AllTogetherHaveSoManyRequests) {
  for (const char* const name : {"a", "b", "c", "d", "e"}) EXPECT_TRUE(budgets_.begin(acme(name), 0));
  expect_refused(budgets_.begin(acme("f"), 0), Code::unavailable);
}

TEST_F(BudgetsTest, BodiesAreCounted) {
  EXPECT_TRUE(budgets_.begin(acme("alice"), 6 * kMib));
  expect_refused(budgets_.begin(acme("alice"), 5 * kMib), Code::limited);
  EXPECT_TRUE(budgets_.grow(acme("alice"), 4 * kMib));
  expect_refused(budgets_.grow(acme("alice"), 1), Code::limited);
  EXPECT_TRUE(budgets_.begin(acme("bob"), 9 * kMib));
  expect_refused(budgets_.begin(acme("carol"), 2 * kMib), Code::unavailable);
  budgets_.end(acme("alice"), 10 * kMib);
  EXPECT_TRUE(budgets_.begin(acme("carol"), 2 * kMib));
}

TEST_F(BudgetsTest, ATenantLeavesRoomForOthersAndForPeers) {
  budgets_.use({.requests = 5,
                .requests_per_client = 2,
                .requests_per_peer = 3,
                .requests_per_tenant = 3,
                .body_mib = 20,
                .body_mib_per_client = 10,
                .body_mib_per_tenant = 12});
  for (const char* const name : {"a", "b", "c"}) EXPECT_TRUE(budgets_.begin(acme(name), 0));
  expect_refused(budgets_.begin(acme("d"), 0), Code::limited);
  for (const char* const name : {"a", "b"}) EXPECT_TRUE(budgets_.begin(bolt(name), 0));
  expect_refused(budgets_.begin(bolt("c"), 0), Code::unavailable);
  for (const char* const name : {"a", "b", "c", "c", "c"}) EXPECT_TRUE(budgets_.begin(agent(name), 0));
  expect_refused(budgets_.begin(agent("d"), 0), Code::unavailable);
  budgets_.end(acme("a"), 0);
  EXPECT_TRUE(budgets_.begin(acme("d"), 0));
}

TEST_F(BudgetsTest, ATenantLeavesMemoryForOthersAndForPeers) {
  budgets_.use({.body_mib = 20, .body_mib_per_client = 10, .body_mib_per_tenant = 12});
  EXPECT_TRUE(budgets_.begin(acme("a"), 10 * kMib));
  expect_refused(budgets_.begin(acme("b"), 3 * kMib), Code::limited);
  EXPECT_TRUE(budgets_.begin(acme("b"), 2 * kMib));
  expect_refused(budgets_.grow(acme("b"), 1), Code::limited);
  EXPECT_TRUE(budgets_.begin(bolt("a"), 8 * kMib));
  expect_refused(budgets_.grow(bolt("a"), 1), Code::unavailable);
  for (const char* const name : {"a", "b"}) EXPECT_TRUE(budgets_.begin(agent(name), 10 * kMib));
  expect_refused(budgets_.begin(agent("c"), 1), Code::unavailable);
  budgets_.end(acme("a"), 10 * kMib);
  EXPECT_TRUE(budgets_.grow(acme("b"), 8 * kMib));
}

TEST_F(BudgetsTest, LimitsCanChange) {
  EXPECT_TRUE(budgets_.begin(acme("alice"), 0));
  budgets_.use({.requests_per_client = 1});
  expect_refused(budgets_.begin(acme("alice"), 0), Code::limited);
}

}  // namespace
}  // namespace coprotect::agent::front
