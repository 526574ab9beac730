// kill −9 of the tool or of either agent at every step of an onboarding: no key or a whole key, never half of
// one, and a repeated onboarding then works.

#include <gtest/gtest.h>

#include <algorithm>

#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

constexpr std::size_t kShards = 4;

struct Case {
  std::string suite;
  std::string who;  // tool, cloud, company
  std::size_t shard;
  std::size_t first;  // of the points: from this one every step-th
  std::size_t step;
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.suite << " " << c.who << " " << c.shard; }
};

class Kill : public testing::TestWithParam<Case> {
 protected:
  static std::unique_ptr<System> fresh() {
    return std::make_unique<System>(System::Options{.suite = GetParam().suite, .started = false});
  }
  static Agent& agent_of(System& system, const std::string& who) {
    return who == "cloud" ? system.cloud() : system.company();
  }

  // Onboards with `who` dying at its point `at`; 0: nobody dies. The points that it passed.
  static std::string onboard(System& system, long at) {
    const std::string& who = GetParam().who;
    const auto log = who == "tool" ? system.folder() / "faults" : agent_of(system, who).fault_log();
    Agent::Options dying{.with_faults = true, .fault_at = at, .lists_points = true};
    for (Agent* const agent : {&system.cloud(), &system.company()})
      agent->start(who != "tool" && agent == &agent_of(system, who) ? dying : Agent::Options{});
    std::vector<std::string> environment;
    if (who == "tool") {
      environment = {"COPROTECT_FAULT_LOG=" + log.string()};
      if (at > 0) environment.push_back("COPROTECT_FAULT_AT=" + std::to_string(at));
    }
    const Finished run = system.onboard(System::fault_program("coprotect-provision"), environment);
    if (at == 0 || who == "tool") {
      EXPECT_EQ(run.exit_code, at == 0 ? 0 : 128 + SIGKILL) << run.out << run.err;
    }
    return read_file(log);
  }

  // Whether every quorum of the one key opens a file. The company's agent is stopped then.
  static void expect_whole_key(System& system) {
    write_file(system.folder() / "plain", "still readable");
    const auto sealed = (system.folder() / "plain.cop").string();
    Finished run = system.coprotect(system.admin(), {"encrypt", (system.folder() / "plain").string()});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    run = system.coprotect(system.admin(), {"decrypt", sealed, "-o", (system.folder() / "both").string()});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(read_file(system.folder() / "both"), "still readable");
    for (Agent* const agent : {&system.cloud(), &system.company()}) {
      agent->stop();
      const auto out = (system.folder() / ("without-" + agent->folder().filename().string())).string();
      run = system.recover({sealed, "-o", out});
      EXPECT_EQ(run.exit_code, 0) << run.err;
      EXPECT_EQ(read_file(out), "still readable");
      if (agent == &system.cloud()) {
        ASSERT_TRUE(agent->start());
      }
    }
  }
};

TEST_P(Kill, LeavesNoKeyOrAWholeKey) {
  const std::vector<long> points = [] {
    auto system = fresh();
    return deaths_that_differ(onboard(*system, 0));
  }();
  ASSERT_GT(points.size(), 5u) << "too few fault points to be all of them";
  for (std::size_t i = GetParam().first % points.size(); i < points.size(); i += GetParam().step) {
    SCOPED_TRACE(GetParam().who + " dies at point " + std::to_string(points[i]));
    auto system = fresh();
    onboard(*system, points[i]);
    for (Agent* const agent : {&system->cloud(), &system->company()}) {
      agent->kill();
      ASSERT_TRUE(agent->start());
    }
    const Finished again = system->onboard();
    ASSERT_EQ(again.exit_code, 0) << again.out << again.err;
    expect_whole_key(*system);
    if (HasFailure()) return;
  }
  std::cout << GetParam().suite << ": " << GetParam().who << " has " << points.size()
            << " points, 0 keys lost\n";
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const std::size_t every = every_point_is_wanted() ? 1 : 2;
  // The steps do not depend on the suite: of the slow one a few points.
  const std::size_t slow_step = 2 * every * kShards;
  for (const std::string who : {"tool", "cloud", "company"}) {
    all.push_back({"ffdhe3072", who, 0, todays_first(slow_step), slow_step});
    for (std::size_t shard = 0; shard < kShards; ++shard)
      all.push_back({"p256", who, shard, shard + kShards * todays_first(every), every * kShards});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Onboarding, Kill, testing::ValuesIn(cases()), [](const auto& instance) {
  return instance.param.suite + "_" + instance.param.who + "_" + std::to_string(instance.param.shard);
});

}  // namespace
}  // namespace coprotect::harness
