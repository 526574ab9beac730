#include "agent/limit_texts.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>

#include "agent/fair_workers.h"

namespace coprotect::agent {
namespace {

TEST(LimitTexts, NameEachLimitOfTheFrontOnce) {
  ipc::Usage usage;
  usage[ipc::FrontLimit::requests_per_client] = {.use = 3, .hits = 12};
  const auto uses = front_uses({.requests_per_client = 16}, usage);
  ASSERT_EQ(uses.size(), ipc::kFrontLimits);
  std::set<std::string> names;
  for (const LimitUse& use : uses) {
    names.insert(use.name);
    EXPECT_GT(use.limit, 0u) << use.name;
    if (use.name == "requests_per_client") {
      EXPECT_EQ(text_of_use(use), "limit front requests_per_client: 3 of 16, hit 12 times");
    }
    if (use.name == "handshake_seconds") {
      EXPECT_EQ(text_of_use(use), "limit front handshake_seconds: 5, hit 0 times");
    }
  }
  EXPECT_EQ(names.size(), ipc::kFrontLimits);
}

TEST(LimitTexts, ArePrometheusText) {
  const std::vector<LimitUse> uses = {{"front", "requests", 256, 3, 0},
                                      {"day", "derive.per_key_per_day", 7, 7, 2}};
  EXPECT_EQ(prometheus_text(uses),
            "# TYPE coprotect_limit gauge\n"
            "coprotect_limit{at=\"front\",limit=\"requests\"} 256\n"
            "coprotect_limit{at=\"day\",limit=\"derive.per_key_per_day\"} 7\n"
            "# TYPE coprotect_limit_use gauge\n"
            "coprotect_limit_use{at=\"front\",limit=\"requests\"} 3\n"
            "coprotect_limit_use{at=\"day\",limit=\"derive.per_key_per_day\"} 7\n"
            "# TYPE coprotect_limit_hits_total counter\n"
            "coprotect_limit_hits_total{at=\"front\",limit=\"requests\"} 0\n"
            "coprotect_limit_hits_total{at=\"day\",limit=\"derive.per_key_per_day\"} 2\n");
}

TEST(LimitUses, OfWorkersAreThoseOfTheOneThatHasTheMost) {
  std::atomic<bool> end = false;
  FairWorkers workers(1, {.jobs = 100,
                          .bytes = std::size_t{1} << 30,
                          .jobs_of_tenant = 100,
                          .bytes_of_tenant = std::size_t{1} << 30,
                          .jobs_of_client = 3,
                          .bytes_of_client = std::size_t{8} << 20});
  const auto wait = [&end] { end.wait(false); };
  const FairWorkers::Turn alice{"acme", "alice"};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(workers.submit(alice, 1, wait));
  ASSERT_TRUE(workers.submit({"acme", "bob"}, std::size_t{3} << 20, wait));
  EXPECT_FALSE(workers.submit(alice, 1, wait));
  std::map<std::string, LimitUse> uses;
  for (LimitUse& use : workers.uses("short")) uses.emplace(use.name, std::move(use));
  EXPECT_EQ(uses.at("requests_per_client").use, 3u);
  EXPECT_EQ(uses.at("requests_per_client").limit, 3u);
  EXPECT_EQ(uses.at("requests_per_client").hits, 1u);
  EXPECT_EQ(uses.at("requests_per_tenant").use, 4u);
  EXPECT_EQ(uses.at("requests_per_tenant").hits, 0u);
  EXPECT_EQ(uses.at("body_mib_per_client").use, 3u);
  end = true;
  end.notify_all();
}

}  // namespace
}  // namespace coprotect::agent
