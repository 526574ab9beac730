// kill −9 of the tool or of an agent while a company changes keys: files of every key open afterwards, and
// the same command, run again, completes what was begun.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

constexpr int kShards = 2;
// Of the points that rotate shares with every key generation, which swtpm-tests/kill_test passes one by one.
constexpr std::size_t kEveryOfTheCeremony = 9;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class LifecycleKill : public testing::TestWithParam<int> {
 protected:
  std::array<Agent*, 2> agents() { return {&system_.cloud(), &system_.company()}; }
  void restart_agents() {
    for (Agent* const agent : agents()) {
      agent->kill();
      ASSERT_TRUE(agent->start());
    }
  }
  // Encrypts a file with the newest key that the administrator hears of.
  void add_file(const std::string& name) {
    ASSERT_EQ(system_.coprotect(system_.admin(), {"update"}).exit_code, 0);
    write_file(system_.folder() / name, "text of " + name);
    const Finished run = system_.coprotect(system_.admin(), {"encrypt", (system_.folder() / name).string()});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    files_.push_back(name);
  }
  void expect_files_open(const std::string& except = "") {
    for (const std::string& name : files_) {
      if (name == except) continue;
      const Finished run = system_.coprotect(
          system_.admin(), {"decrypt", (system_.folder() / (name + ".cop")).string(), "-o", "-"});
      EXPECT_EQ(run.out, "text of " + name) << run.err;
    }
  }
  void expect_refused(const std::string& name) {
    const Finished run = system_.coprotect(
        system_.admin(), {"decrypt", (system_.folder() / (name + ".cop")).string(), "-o", "-"});
    EXPECT_EQ(run.exit_code, 3) << run.out << run.err;
  }
  // name → state; both agents have the list.
  std::map<std::string, std::string> states() {
    const Finished run = system_.provision({"keys", "--json", "--dir", system_.out().string()});
    EXPECT_TRUE(has(run.err, "both agents have this list")) << run.err;
    std::map<std::string, std::string> found;
    for (const std::string& line : lines_of(run.out)) {
      const auto key = nlohmann::json::parse(line);
      found[key["name"]] = key.value("state", "none");
    }
    return found;
  }
  path log(const std::string& name) const { return system_.folder() / ("faults-" + name); }
  static std::string fault_at(std::size_t point) { return "COPROTECT_FAULT_AT=" + std::to_string(point); }
  int erasures(const std::string& party) {
    const Finished run =
        system_.provision({"log", "--json", "--party", party, "--dir", system_.out().string()});
    int found = 0;
    for (const std::string& line : lines_of(run.out)) found += has(line, "shares are erased") ? 1 : 0;
    return found;
  }

  System system_{System::Options{.policy = "destroy_seconds = 0\n"}};
  const path twin_ = System::fault_program("coprotect-provision");
  std::vector<std::string> files_;
};

class LifecycleRotationKill : public LifecycleKill {};

TEST_P(LifecycleRotationKill, OfTheToolLeavesEveryKeyWhole) {
  add_file("first");
  ASSERT_EQ(system_.rotate("whole", {}, twin_, {"COPROTECT_FAULT_LOG=" + log("tool").string()}).exit_code, 0);
  const auto points = lines_of(read_file(log("tool")));
  std::vector<std::size_t> chosen;
  for (std::size_t at = 1; at <= points.size(); ++at) {
    const std::string& point = points[at - 1];
    const bool own = has(point, ".rotation") || has(point, "key-list") || has(point, "key list") ||
                     has(point, "rotation is finished");
    if (own || at % kEveryOfTheCeremony == 0) chosen.push_back(at);
  }
  ASSERT_GT(chosen.size(), 12u) << "too few fault points to be all of them";
  int killed = 0;
  for (std::size_t i = static_cast<std::size_t>(GetParam()); i < chosen.size(); i += kShards) {
    const std::size_t at = chosen[i];
    SCOPED_TRACE("dies at point " + points[at - 1]);
    const std::string name = "key-" + std::to_string(at);
    const Finished died = system_.rotate(name, {}, twin_, {fault_at(at)});
    ASSERT_EQ(died.exit_code, 128 + SIGKILL) << died.out << died.err;
    ++killed;
    restart_agents();
    expect_files_open();
    const Finished again = system_.rotate_again(name);
    ASSERT_EQ(again.exit_code, 0) << again.out << again.err;
    auto now = states();
    EXPECT_EQ(now[name], "encrypts");
    EXPECT_EQ(std::ranges::count(now, "encrypts", [](const auto& key) { return key.second; }), 1);
    add_file("file-" + std::to_string(at));
    expect_files_open();
    if (HasFailure()) return;
  }
  std::cout << "rotate: killed at " << killed << " of " << points.size() << " points, " << files_.size()
            << " files of as many keys, 0 lost\n";
}

INSTANTIATE_TEST_SUITE_P(Shards, LifecycleRotationKill, testing::Range(0, kShards));

class LifecycleKeyStateKill : public LifecycleKill {};

// Disabled at one point of death, in use again at the next.
TEST_P(LifecycleKeyStateKill, OfTheToolOrAnAgentLeavesTheOldStateOrTheNew) {
  add_file("old");
  ASSERT_EQ(system_.rotate("next").exit_code, 0);
  add_file("new");
  int killed = 0;
  const auto state_of = [](std::size_t at) { return at % 2 == 1 ? "disabled" : "decrypt-only"; };
  const auto expect_done = [&](std::size_t at) {
    const Finished again = system_.key_state("acme", state_of(at));
    ASSERT_EQ(again.exit_code, 0) << again.out << again.err;
    EXPECT_EQ(states()["acme"], state_of(at));
    if (at % 2 == 1)
      expect_refused("old");
    else
      expect_files_open();
    expect_files_open("old");
  };

  ASSERT_EQ(system_
                .key_state("acme", "decrypt-only", {"--yes"}, twin_,
                           {"COPROTECT_FAULT_LOG=" + log("tool").string()})
                .exit_code,
            0);
  const auto tool_points = lines_of(read_file(log("tool")));
  ASSERT_GT(tool_points.size(), 5u);
  for (std::size_t at = 1; at <= tool_points.size(); ++at) {
    SCOPED_TRACE("the tool dies at point " + tool_points[at - 1]);
    const Finished died = system_.key_state("acme", state_of(at), {}, twin_, {fault_at(at)});
    EXPECT_EQ(died.exit_code, 128 + SIGKILL) << died.out << died.err;
    ++killed;
    restart_agents();
    expect_files_open("old");
    expect_done(at);
    if (HasFailure()) return;
  }
  // Two changes, whatever the state is.
  std::size_t last = tool_points.size();
  const auto change_twice = [&] {
    for (const std::size_t at : {last + 1, last}) system_.key_state("acme", state_of(at));
  };
  for (Agent* const agent : agents()) {
    const auto party = agent->folder().filename().string();
    agent->stop();
    ASSERT_TRUE(agent->start({.with_faults = true, .lists_points = true}));
    change_twice();
    const auto points = lines_of(read_file(agent->fault_log()));
    ASSERT_GT(points.size(), 2u);
    for (std::size_t at = 1; at <= points.size(); ++at) {
      SCOPED_TRACE("the " + party + " agent dies at point " + points[at - 1]);
      agent->stop();
      agent->start({.with_faults = true, .fault_at = static_cast<long>(at)});
      change_twice();
      // Its connections end before it is reaped.
      for (int tries = 0; tries < 100 && agent->running(); ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      EXPECT_FALSE(agent->running());
      ++killed;
      agent->kill();
      ASSERT_TRUE(agent->start());
      expect_done(at);
      last = at;
      if (HasFailure()) return;
    }
  }
  std::cout << "key-state: killed at " << killed << " points, 0 files lost\n";
}

// Each agent dies at each step of an erasure and has erased, and nothing else, once it runs again.
TEST_P(LifecycleKeyStateKill, OfAnAgentThatErasesLosesTheDestroyedKeyAlone) {
  std::string victim = "acme";
  add_file(victim);
  const auto rotate_to = [&](const std::string& name) {
    ASSERT_EQ(system_.rotate(name).exit_code, 0);
    add_file(name);
  };
  int killed = 0;
  for (Agent* const agent : agents()) {
    const auto party = agent->folder().filename().string();
    for (const std::string point :
         {"agent-erase-commit", "agent-erase-committed", "agent-erase-checkpointed"}) {
      SCOPED_TRACE("the " + party + " agent dies at " + point);
      const std::string next = party + "-" + std::to_string(killed);
      rotate_to(next);
      // A list passes two points; then come the erasure's, with eight of the switch to a new root in between.
      const long at = point == "agent-erase-commit" ? 3 : point == "agent-erase-committed" ? 4 : 13;
      agent->stop();
      ASSERT_TRUE(agent->start({.with_faults = true, .fault_at = at, .lists_points = true}));
      const int before = erasures(party);
      const Finished run = system_.key_state(victim, "destroyed", {"--yes", "--wait", "8s"});
      EXPECT_TRUE(run.exit_code == 0 || run.exit_code == 4) << run.err;
      EXPECT_TRUE(agent->daemon().wait_for_end(std::chrono::seconds(40)));
      const auto passed = lines_of(read_file(agent->fault_log()));
      ASSERT_FALSE(passed.empty());
      EXPECT_TRUE(has(passed.back(), point)) << passed.back();
      ++killed;
      ASSERT_TRUE(agent->start());
      const Finished again = system_.key_state(victim, "destroyed");
      ASSERT_EQ(again.exit_code, 0) << again.out << again.err;
      for (int i = 0; i < 300 && erasures(party) == before; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      EXPECT_EQ(erasures(party), before + 1);
      expect_refused(victim);
      std::erase(files_, victim);
      expect_files_open();
      victim = next;
      if (HasFailure()) return;
    }
  }
  std::cout << "erasure: killed at " << killed << " points, only destroyed keys lost\n";
}

INSTANTIATE_TEST_SUITE_P(All, LifecycleKeyStateKill, testing::Values(0));

}  // namespace
}  // namespace coprotect::harness
