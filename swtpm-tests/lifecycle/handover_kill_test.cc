// kill −9 of the tool or of either agent at every step of every ceremony that changes who holds a key: the
// same command again ends it, and every quorum opens a file that was encrypted before.

#include <algorithm>

#include "swtpm-tests/lifecycle/lifecycle.h"

namespace coprotect::harness {
namespace {

struct Case {
  std::string ceremony;  // refresh, new-code, restore, reshare
  std::string who;       // tool, cloud, company
  std::string suite;
  std::size_t step;  // of the points every step-th one
  friend void PrintTo(const Case& c, std::ostream* out) {
    *out << c.suite << " " << c.ceremony << " " << c.who;
  }
};

// Some of the points, each day others, unless all are wanted. Those of the dearer ceremonies are mostly those
// of a refresh.
std::size_t usual_step(const std::string& ceremony, const std::string& who) {
  if (every_point_is_wanted()) return 1;
  if (ceremony == "refresh") return 2;
  return who == "tool" ? 6 : 4;
}

class LifecycleKill : public testing::TestWithParam<Case> {
 protected:
  // The command, and the agents whom it concerns. A restore and a reshare have a new agent each time.
  struct Attempt {
    std::vector<std::string> args;
    bool new_code = false;
  };

  std::string out() const { return system.out().string(); }

  void add_invitation(Attempt& attempt, const Agent& agent) const {
    attempt.args.insert(attempt.args.end(), {"--invitation", agent.invitation().string()});
  }

  // What an operator does before the ceremony, so that it can be run once.
  Attempt begin() {
    const std::string& ceremony = GetParam().ceremony;
    if (ceremony == "refresh") return {{"refresh", "--dir", out()}};
    if (ceremony == "new-code") return {{"new-code", "--dir", out()}, true};
    return ceremony == "restore" ? lose_the_company() : lose_the_provider();
  }

  Attempt lose_the_company() {
    const std::string number = std::to_string(++replaced);
    const auto kit = system.folder() / ("kit-" + number);
    std::filesystem::copy_file(system.kit(), kit);
    company->stop();
    std::filesystem::rename(system.out(), system.folder() / ("lost-" + number));
    company = &system.add_agent("company", "company-" + number, false);
    Attempt attempt{{"restore", "--wait", "--kit", kit.string(), "--out", out(), "--key-list", "0"}};
    add_invitation(attempt, *company);
    return attempt;
  }

  Attempt lose_the_provider() {
    cloud->stop();
    cloud = &system.add_agent("cloud", "cloud-" + std::to_string(++replaced), true);
    Attempt attempt{{"reshare", "--dir", out(), "--kit", system.kit().string()}};
    add_invitation(attempt, *cloud);
    return attempt;
  }

  // Runs it with `who` dying at its point `at`; 0: nobody dies. The points passed.
  std::string run_dying(const Attempt& attempt, long at) {
    const std::string& who = GetParam().who;
    std::vector<std::string> environment;
    Agent* const dying = who == "tool" ? nullptr : last_stopped();
    const auto log = dying != nullptr ? dying->fault_log() : system.folder() / "faults";
    std::filesystem::remove(log);
    for (Agent* const agent : {cloud, company})
      if (agent != dying && !agent->running()) agent->start();
    if (dying != nullptr) {
      dying->stop();
      dying->start({.with_faults = true, .fault_at = at, .lists_points = true});
    } else {
      environment = {"COPROTECT_FAULT_LOG=" + log.string()};
      if (at > 0) environment.push_back("COPROTECT_FAULT_AT=" + std::to_string(at));
    }
    const Finished run = system.hand_over(attempt.args, attempt.new_code,
                                          System::fault_program("coprotect-provision"), environment);
    const std::string points = read_file(log);
    // It asks operators again and again, so that a run may have fewer points than the one that was counted.
    const bool reached = at > 0 && std::count(points.begin(), points.end(), '\n') >= at;
    if (at == 0 || who == "tool") {
      EXPECT_EQ(run.exit_code, reached ? 128 + SIGKILL : 0) << run.out << run.err;
    }
    if (dying != nullptr) {
      dying->kill();
      EXPECT_TRUE(dying->start());
    }
    return points;
  }

  // Starts cost most of these tests' time: who dies next stays stopped.
  Agent* last_stopped() { return GetParam().who == "cloud" ? cloud : company; }
  Agent* other() { return GetParam().who == "cloud" ? company : cloud; }

  // Every quorum opens the file. Afterwards last_stopped() does not run.
  void expect_every_quorum() {
    EXPECT_TRUE(file.opens(system.admin())) << "with both agents";
    expect_opens_without(file, *other(), system.kit(), system.code());
    ASSERT_TRUE(other()->start());
    expect_opens_without(file, *last_stopped(), system.kit(), system.code());
  }

  System system{{.suite = GetParam().suite,
                 .policy = "refreshes_per_key_per_day = 1000\nvoids_per_client_per_day = 1000\n",
                 .handover_policy = "delay_seconds = 1\n"}};
  const KeptFile file{system};
  Agent* cloud = &system.cloud();
  Agent* company = &system.company();
  int replaced = 0;
};

TEST_P(LifecycleKill, LosesNoKeyAtAnyPoint) {
  const std::vector<long> points = deaths_that_differ(run_dying(begin(), 0));
  ASSERT_GT(points.size(), 5u) << "too few fault points to be all of them";
  long deaths = 0;
  for (std::size_t i = todays_first(GetParam().step); i < points.size(); i += GetParam().step) {
    SCOPED_TRACE(GetParam().who + " dies at point " + std::to_string(points[i]));
    const Attempt attempt = begin();
    run_dying(attempt, points[i]);
    ++deaths;
    EXPECT_TRUE(file.opens(system.admin()) || GetParam().ceremony == "restore" ||
                GetParam().ceremony == "reshare")
        << "before anybody mends anything";
    const Finished mended = system.hand_over(attempt.args, attempt.new_code);
    ASSERT_TRUE(done(mended));
    expect_every_quorum();
    if (HasFailure()) return;
  }
  std::cout << GetParam().suite << ": " << GetParam().ceremony << ": " << GetParam().who << " has "
            << points.size() << " points, died at " << deaths
            << " of them: 0 keys lost, 0 files unreadable\n";
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::string ceremony : {"refresh", "new-code", "restore", "reshare"})
    for (const std::string who : {"tool", "cloud", "company"}) {
      all.push_back({ceremony, who, "p256", usual_step(ceremony, who)});
      // The steps do not depend on the suite: of the slow one a few points.
      if (ceremony == "refresh") all.push_back({ceremony, who, "ffdhe3072", 7});
    }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Handover, LifecycleKill, testing::ValuesIn(cases()), [](const auto& instance) {
  std::string name = instance.param.suite + "_" + instance.param.ceremony + "_" + instance.param.who;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace coprotect::harness
