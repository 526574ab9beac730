// The old entries of an agent's log go to an archive, on a host whose agent runs or does not.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "protocol/base/bytes.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

class LifecycleArchive : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(System::Options{.suite = GetParam(), .peer_seconds = 1});
    if (HasFailure()) GTEST_FAIL() << "no system";
    alice_ = system_->add_client("alice");
    write_file(file("f"), "content");
    ASSERT_EQ(system_->coprotect(alice_, {"encrypt", file("f")}).exit_code, 0);
  }

  std::string file(const std::string& name) const { return (system_->folder() / name).string(); }
  Agent& cloud() { return system_->cloud(); }
  Agent& company() { return system_->company(); }
  bool opens() {
    return system_->coprotect(alice_, {"decrypt", file("f.cop"), "-o", file("out"), "--force"}).exit_code ==
           0;
  }
  static void let_them_remember() { std::this_thread::sleep_for(std::chrono::milliseconds(2'500)); }

  static std::vector<std::string> archiving(Agent& agent, const std::string& to) {
    return {"archive-log", "--dir", agent.folder().string(), "--older-than", "0", "--to", to};
  }
  static Finished run_for(Agent& agent, const std::vector<std::string>& args,
                          const path& program = System::program("coprotect-provision"),
                          const std::vector<std::string>& environment = {}) {
    Command command(program);
    for (const auto& assignment : agent.environment) command.env(assignment);
    for (const auto& assignment : environment) command.env(assignment);
    return command.args(args).run();
  }
  static std::string begins(Agent& agent) {
    return run_for(agent, {"archive-log", "--dir", agent.folder().string()}).out;
  }
  Finished log(const std::vector<std::string>& archives) {
    std::vector<std::string> args{"log", "--dir", system_->out().string(), "--json"};
    for (const auto& archive : archives) args.insert(args.end(), {"--archive", file(archive)});
    return system_->provision(args);
  }
  // The entries of a party in a log that was shown.
  static std::vector<nlohmann::json> entries_of(const std::string& party, const Finished& shown) {
    std::vector<nlohmann::json> entries;
    std::istringstream lines(shown.out);
    for (std::string line; std::getline(lines, line);) {
      auto entry = nlohmann::json::parse(line);
      if (entry["party"] == party && !entry.contains("head")) entries.push_back(std::move(entry));
    }
    return entries;
  }

  std::unique_ptr<System> system_;
  path alice_;
};

TEST_P(LifecycleArchive, OfARunningAgentAndOfAStoppedOne) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(opens());
  const auto before = log({});
  ASSERT_EQ(before.exit_code, 0) << before.err;
  let_them_remember();
  EXPECT_NE(begins(cloud()).find("begins with entry 1"), std::string::npos);
  for (Agent* const agent : {&cloud(), &company()}) {
    const std::string name = agent == &cloud() ? "cloud.1" : "company.1";
    const Finished run = run_for(*agent, archiving(*agent, file(name)));
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_NE(run.out.find("the agent has removed them from its log"), std::string::npos) << run.out;
  }
  EXPECT_NE(begins(cloud()).find("begins after entry"), std::string::npos);
  ASSERT_TRUE(opens());

  // The rest verifies alone, and all of it with the archives.
  const auto alone = log({});
  EXPECT_EQ(alone.exit_code, 0) << alone.err;
  EXPECT_LT(entries_of("cloud", alone).size(), entries_of("cloud", before).size());
  const auto whole = log({"company.1", "cloud.1"});
  EXPECT_EQ(whole.exit_code, 0) << whole.err;
  for (const std::string party : {"cloud", "company"}) {
    const auto entries = entries_of(party, whole);
    EXPECT_EQ(entries.front()["seq"], 1);
    EXPECT_EQ(entries.front()["archived"], true);
    EXPECT_EQ(entries.back()["archived"], false);
    EXPECT_GT(entries.size(), entries_of(party, before).size());
  }

  // A stopped agent does it at its next start; an archive goes on from the one before.
  let_them_remember();
  cloud().stop();
  const Finished stopped = run_for(cloud(), archiving(cloud(), file("cloud.2")));
  ASSERT_EQ(stopped.exit_code, 0) << stopped.err;
  EXPECT_NE(stopped.out.find("until then they are in both"), std::string::npos) << stopped.out;
  const std::string first = begins(cloud());
  ASSERT_TRUE(cloud().start());
  for (int tries = 0; tries < 100 && begins(cloud()) == first; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_NE(begins(cloud()), first) << read_file(cloud().log());
  ASSERT_TRUE(opens());
  EXPECT_EQ(log({"cloud.1", "cloud.2"}).exit_code, 0);
  const auto missing = log({"cloud.1"});
  EXPECT_NE(missing.exit_code, 0);
  EXPECT_NE(missing.err.find("is missing"), std::string::npos) << missing.err;
  std::string changed = read_file(file("cloud.2"));
  changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 1);
  write_file(file("cloud.2x"), changed);
  EXPECT_NE(log({"cloud.1", "cloud.2x"}).exit_code, 0);

  // No file is written over, and nothing is younger than it is.
  const auto taken = run_for(cloud(), archiving(cloud(), file("cloud.1")));
  EXPECT_NE(taken.exit_code, 0);
  EXPECT_NE(taken.err.find("exists already"), std::string::npos) << taken.err;
  auto days = archiving(cloud(), file("days"));
  days[4] = "1";
  const auto young = run_for(cloud(), days);
  EXPECT_NE(young.exit_code, 0);
  EXPECT_NE(young.err.find("no entry is older"), std::string::npos) << young.err;
  EXPECT_FALSE(std::filesystem::exists(file("days")));
}

TEST_P(LifecycleArchive, OnAFullDiskLeavesNothing) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(opens());
  // A limit of 2 KiB for each file that it writes.
  auto args = archiving(cloud(), file("full"));
  args.insert(args.begin(), {"-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" \"$@\"",
                             System::program("coprotect-provision").string()});
  const Finished full = run_for(cloud(), args, "/bin/sh");
  EXPECT_EQ(full.exit_code, 4) << full.err;
  for (const auto& entry : std::filesystem::directory_iterator(system_->folder()))
    EXPECT_FALSE(entry.path().filename().string().starts_with("full")) << entry.path();
  EXPECT_NE(begins(cloud()).find("begins with entry 1"), std::string::npos);
  ASSERT_TRUE(opens());
}

// kill -9 of the tool and of the agent at every step: the log is whole, or the rest of it with a whole
// archive.
TEST_P(LifecycleArchive, SurvivesDeathAtEveryStep) {
  ASSERT_TRUE(opens());
  let_them_remember();
  int archives = 0;
  const auto expect_whole = [&] {
    const auto shown = log([&] {
      std::vector<std::string> all;
      for (int i = 1; i <= archives; ++i)
        if (std::filesystem::exists(file(std::to_string(i)))) all.push_back(std::to_string(i));
      return all;
    }());
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
  };
  const path tool = System::fault_program("coprotect-provision");
  const auto dying = [&](long at) {
    std::vector<std::string> environment{"COPROTECT_FAULT_LOG=" + file("faults")};
    if (at > 0) environment.push_back("COPROTECT_FAULT_AT=" + std::to_string(at));
    const auto run =
        run_for(company(), archiving(company(), file(std::to_string(++archives))), tool, environment);
    EXPECT_EQ(run.exit_code, at > 0 ? 128 + SIGKILL : 0) << run.err;
  };
  dying(0);
  const std::string points = read_file(file("faults"));
  const auto count = std::ranges::count(points, '\n');
  ASSERT_GE(count, 4) << points;
  expect_whole();
  for (long at = 1; at <= count; ++at) {
    const std::string before = begins(company());
    std::filesystem::remove(file("faults"));
    dying(at);
    ASSERT_TRUE(opens()) << at;
    expect_whole();
    // What was not asked for is not done.
    if (!std::filesystem::exists(file(std::to_string(archives)))) {
      EXPECT_EQ(begins(company()), before) << at;
    }
  }

  // The agent, before and after the transaction.
  for (const std::string point : {"agent-cut-commit", "agent-cut-committed"}) {
    let_them_remember();
    company().stop();
    const auto to = file("agent " + point);
    ASSERT_EQ(run_for(company(), archiving(company(), to)).exit_code, 0);
    company().environment.push_back("COPROTECT_FAULT_AT=" + point);
    company().start({.with_faults = true});
    for (int tries = 0; tries < 100 && company().running(); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_FALSE(company().running()) << point;
    company().kill();
    company().environment.pop_back();
    ASSERT_TRUE(company().start());
    ASSERT_TRUE(opens());
    let_them_remember();
    EXPECT_NE(begins(company()).find("begins after entry"), std::string::npos);
    const auto shown = log({"agent " + point});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
  }
}

// One bit of an entry of today: the agent does not start until a backup has brought the entry back.
TEST_P(LifecycleArchive, ARottenEntryIsRepairedFromABackup) {
  ASSERT_TRUE(opens());
  const Finished healthy =
      run_for(cloud(), {"backup", "--dir", cloud().folder().string(), "--out", file("backup")});
  ASSERT_EQ(healthy.exit_code, 0) << healthy.err;
  const auto repair = [&](const std::string& from) {
    return run_for(cloud(), {"repair-log", "--dir", cloud().folder().string(), "--from", from});
  };
  const Finished nothing = repair(file("backup"));
  EXPECT_EQ(nothing.exit_code, 0) << nothing.err;
  EXPECT_NE(nothing.out.find("nothing is done"), std::string::npos) << nothing.out;
  // Intent and result of the request have its hash, and nothing else in the store has.
  const auto decryptions = [&](const Finished& shown) {
    auto entries = entries_of("cloud", shown);
    std::erase_if(entries, [](const auto& entry) { return entry["operation"] != "partial-decrypt"; });
    return entries;
  };
  const auto entries = decryptions(log({}));
  ASSERT_EQ(entries.size(), 2u);
  cloud().stop();
  const auto hash = from_hex(entries.front()["request_hash"].get<std::string>());
  std::string store = read_file(cloud().state() / "store.db");
  const auto at = store.find(std::string(hash->begin(), hash->end()));
  ASSERT_NE(at, std::string::npos);
  store[at] = static_cast<char>(store[at] ^ 1);
  write_file(cloud().state() / "store.db", store);
  cloud().start({.fault_at = 1'000'000});  // which need not succeed
  EXPECT_NE(read_file(cloud().log()).find("is damaged on the disk"), std::string::npos)
      << read_file(cloud().log());
  cloud().kill();

  const Finished repaired = repair(file("backup"));
  EXPECT_EQ(repaired.exit_code, 0) << repaired.err;
  EXPECT_NE(repaired.out.find("the agent takes it at its next start"), std::string::npos) << repaired.out;
  ASSERT_TRUE(cloud().start()) << read_file(cloud().log());
  ASSERT_TRUE(opens());
  const auto shown = log({});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_EQ(decryptions(shown).at(0), entries[0]);
  EXPECT_EQ(decryptions(shown).at(1), entries[1]);
}

INSTANTIATE_TEST_SUITE_P(Suites, LifecycleArchive, testing::Values("p256", "ffdhe3072"),
                         [](const auto& suite) { return suite.param; });

}  // namespace
}  // namespace coprotect::harness
