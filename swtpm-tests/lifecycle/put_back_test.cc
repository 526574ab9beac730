// Backups of an agent that works, and stores that are put back: with the tool, or behind its back.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "protocol/crypto/hash.h"
#include "swtpm-tests/harness/memory_search.h"
#include "swtpm-tests/harness/system.h"
#include "swtpm-tests/secrets_of.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

class LifecyclePutBack : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(System::Options{.suite = GetParam(), .peer_seconds = 1});
    if (HasFailure()) GTEST_FAIL() << "no system";
    alice_ = system_->add_client("alice");
    bob_ = system_->add_client("bob");
    write_file(file("f"), kContent);
    ASSERT_EQ(system_->coprotect(alice_, {"encrypt", file("f")}).exit_code, 0);
  }

  std::string file(const std::string& name) const { return (system_->folder() / name).string(); }
  Agent& cloud() { return system_->cloud(); }
  Agent& company() { return system_->company(); }

  Finished decrypt(const path& client, const std::string& out = "out") const {
    return system_->coprotect(client, {"decrypt", file("f.cop"), "-o", file(out), "--force"});
  }
  void expect_opens() {
    const Finished run = decrypt(alice_);
    ASSERT_EQ(run.exit_code, 0) << run.err << read_file(cloud().log());
    EXPECT_EQ(read_file(file("out")), kContent);
  }
  void expect_refused(const path& client, int code, const std::string& words) {
    const Finished run = decrypt(client);
    EXPECT_EQ(run.exit_code, code) << run.err;
    EXPECT_NE(run.err.find(words), std::string::npos) << run.err;
  }
  bool opens_in_time() {
    return in_time([&] { return decrypt(alice_).exit_code == 0; });
  }
  template <typename F>
  static bool in_time(F&& holds) {
    for (int tries = 0; tries < 100; ++tries) {
      if (holds()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
    return false;
  }
  // The next thing that the agent's own log says.
  bool says_in_time(Agent& agent, const std::string& words) {
    return in_time([&] { return read_file(agent.log()).find(words, read_) != std::string::npos; });
  }
  void from_now_on(Agent& agent) { read_ = read_file(agent.log()).size(); }
  // Until both agents remember each other as they are now.
  static void let_them_remember() { std::this_thread::sleep_for(std::chrono::milliseconds(2'500)); }

  Finished run_for(Agent& agent, const std::vector<std::string>& args) {
    Command command(System::program("coprotect-provision"));
    for (const auto& assignment : agent.environment) command.env(assignment);
    return command.args(args).run();
  }
  Finished back_up(Agent& agent, const std::string& name) {
    return run_for(agent, {"backup", "--dir", agent.folder().string(), "--out", file(name)});
  }
  Finished restore(Agent& agent, const std::string& name) {
    return run_for(agent, {"restore-backup", "--from", file(name), "--dir", agent.folder().string()});
  }
  // The folder itself, as a snapshot of the disk has it.
  void snapshot(Agent& agent) {
    agent.stop();
    std::filesystem::copy(agent.folder(), file("snapshot"), std::filesystem::copy_options::recursive);
    ASSERT_TRUE(agent.start());
  }
  void put_snapshot_back(Agent& agent) {
    agent.stop();
    std::filesystem::remove_all(agent.folder());
    std::filesystem::copy(file("snapshot"), agent.folder(), std::filesystem::copy_options::recursive);
  }
  // Both logs verify; the entries of this party.
  std::vector<nlohmann::json> verified_log(const std::string& party) {
    const Finished log = system_->provision({"log", "--dir", system_->out().string(), "--json"});
    EXPECT_EQ(log.exit_code, 0) << log.err;
    std::vector<nlohmann::json> entries;
    std::istringstream lines(log.out);
    for (std::string line; std::getline(lines, line);) {
      auto entry = nlohmann::json::parse(line);
      if (entry["party"] == party) entries.push_back(std::move(entry));
    }
    return entries;
  }
  // How often the store was put back. Some seconds later another entry says that the agent is alone.
  static std::size_t store_entries(const std::vector<nlohmann::json>& log) {
    return static_cast<std::size_t>(std::ranges::count_if(log, [](const auto& entry) {
      return entry.value("kind", "") == "store" &&
             !entry.value("detail", "").starts_with("no second agent of this identity was heard of");
    }));
  }

  static constexpr const char* kContent = "still readable after the disk was replaced";
  std::unique_ptr<System> system_;
  path alice_;
  path bob_;
  std::size_t read_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Suites, LifecyclePutBack, testing::Values("p256", "ffdhe3072"),
                         [](const auto& tested) { return tested.param; });

// What does not depend on the suite.
class LifecyclePutBackOnce : public LifecyclePutBack {};
INSTANTIATE_TEST_SUITE_P(Suites, LifecyclePutBackOnce, testing::Values("p256"),
                         [](const auto& tested) { return tested.param; });

// The whole story on one system: backup under load, restored on the same agent.
TEST_P(LifecyclePutBack, BackupIsRestoredAndCaughtUp) {
  // While requests run; every one of them is answered.
  std::atomic<bool> done = false;
  std::atomic<int> failed = 0;
  std::vector<std::jthread> clients;
  for (int i = 0; i < 2; ++i)
    clients.emplace_back([&, i] {
      while (!done)
        if (decrypt(alice_, "load" + std::to_string(i)).exit_code != 0) ++failed;
    });
  for (int i = 0; i < 3; ++i) {
    const Finished made = back_up(cloud(), "backup" + std::to_string(i));
    EXPECT_EQ(made.exit_code, 0) << made.err;
  }
  done = true;
  clients.clear();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(back_up(cloud(), "backup0").exit_code, 3);  // it is there already
  // What it has, so that the agent's health can say when it does not do any more.
  const std::string noted = read_file(cloud().folder() / "state/backed-up");
  EXPECT_TRUE(std::ranges::equal(bytes_of(noted),
                                 protocol::sha256(bytes_of(read_file(file("backup2/state/epochs"))))));

  // It holds no share, no key and no code in the clear, and only its owner can read it.
  for (const auto& entry : std::filesystem::recursive_directory_iterator(file("backup2"))) {
    const auto others = std::filesystem::perms::group_all | std::filesystem::perms::others_all;
    EXPECT_EQ(entry.status().permissions() & others, std::filesystem::perms::none) << entry.path();
    if (!entry.is_regular_file()) continue;
    const std::string content = read_file(entry.path());
    for (const auto& [what, secret] : secrets_of(*system_, file("f.cop"))) {
      const auto forms = forms_in(bytes_of(content), secret.reveal());
      EXPECT_TRUE(forms.empty()) << what << " in " << entry.path();
    }
  }
  EXPECT_FALSE(std::filesystem::exists(file("backup2/tls.key.pem")));

  // Life goes on: bob leaves, files are opened, the other agent remembers.
  ASSERT_EQ(system_->remove_client("bob").exit_code, 0);
  for (int i = 0; i < 3; ++i) expect_opens();
  EXPECT_EQ(store_entries(verified_log("cloud")), 0u);
  let_them_remember();
  EXPECT_EQ(restore(cloud(), "backup2").exit_code, 3);  // it runs
  cloud().stop();
  const Finished newer = restore(cloud(), "backup2");
  EXPECT_EQ(newer.exit_code, 3);
  EXPECT_NE(newer.err.find("is newer than the backup"), std::string::npos) << newer.err;

  // The disk is gone.
  std::filesystem::remove_all(cloud().folder());
  const Finished restored = restore(cloud(), "backup2");
  ASSERT_EQ(restored.exit_code, 0) << restored.err;
  EXPECT_TRUE(std::filesystem::exists(cloud().state() / "restored"));
  from_now_on(cloud());
  ASSERT_TRUE(cloud().start());
  EXPECT_TRUE(says_in_time(cloud(), "are lost, which agent \"company\" remembers"));
  ASSERT_TRUE(opens_in_time());
  EXPECT_FALSE(std::filesystem::exists(cloud().state() / "restored"));
  expect_refused(bob_, 3, "not enrolled");

  const auto log = verified_log("cloud");
  EXPECT_EQ(store_entries(log), 1u);
  EXPECT_GT(log.back()["lost"].get<int>(), 0);
  let_them_remember();
  from_now_on(cloud());
  cloud().stop();
  ASSERT_TRUE(cloud().start());  // and nothing more is said of it
  expect_opens();
  EXPECT_EQ(store_entries(verified_log("cloud")), 1u);
}

TEST_P(LifecyclePutBack, SnapshotIsNoticedOrRefused) {
  // Behind the tool's back: no marker, but the other agent remembers.
  snapshot(cloud());
  ASSERT_EQ(system_->remove_client("bob").exit_code, 0);
  for (int i = 0; i < 2; ++i) expect_opens();
  let_them_remember();
  put_snapshot_back(cloud());
  from_now_on(cloud());
  ASSERT_TRUE(cloud().start());  // not before it has asked
  EXPECT_TRUE(says_in_time(cloud(), "the store was put back to an older one"));
  expect_refused(bob_, 3, "not enrolled");
  expect_opens();
  EXPECT_EQ(store_entries(verified_log("cloud")), 1u);

  // Nobody is there to tell: it must serve, for the provider may be gone for good …
  let_them_remember();
  company().stop();
  put_snapshot_back(cloud());
  ASSERT_TRUE(cloud().start());
  const Finished recovered = system_->recover({file("f.cop"), "-o", file("recovered")});
  EXPECT_EQ(recovered.exit_code, 0) << recovered.err;
  // … until somebody does.
  from_now_on(cloud());
  ASSERT_TRUE(company().start());
  EXPECT_TRUE(says_in_time(cloud(), "the store was put back to an older one"));
  ASSERT_TRUE(opens_in_time());
  verified_log("cloud");

  // A marked one refuses, until the operator says so.
  company().stop();
  cloud().stop();
  write_file(cloud().state() / "restored", "by hand\n");
  ASSERT_TRUE(cloud().start());
  const Finished refused = system_->recover({file("f.cop"), "-o", file("refused")});
  EXPECT_EQ(refused.exit_code, 4) << refused.err;
  EXPECT_NE(refused.err.find("restored from a backup"), std::string::npos) << refused.err;
  cloud().stop();
  ASSERT_TRUE(cloud().start({.arguments = {"--accept-restored"}}));
  const Finished accepted = system_->recover({file("f.cop"), "-o", file("accepted")});
  EXPECT_EQ(accepted.exit_code, 0) << accepted.err;
  ASSERT_TRUE(company().start());
  ASSERT_TRUE(opens_in_time());
  verified_log("cloud");
}

// kill -9 of the tool at every step of a backup and of a restore, and of the agent at every step of catching
// up: a whole folder or none, and an agent that is up to date.
TEST_P(LifecyclePutBackOnce, SurvivesDeathAtEveryStep) {
  const auto points_in = [](const std::string& log) {
    const std::string points = read_file(log);
    return std::ranges::count(points, '\n');
  };
  const auto dying = [&](const std::vector<std::string>& args, long at) {
    Command command(System::fault_program("coprotect-provision"));
    command.args(args).env("COPROTECT_FAULT_LOG=" + file("faults"));
    if (at > 0) command.env("COPROTECT_FAULT_AT=" + std::to_string(at));
    const Finished run = command.run();
    EXPECT_EQ(run.exit_code, at > 0 ? 128 + SIGKILL : 0) << run.err;
  };

  const std::vector<std::string> backing_up = {"backup", "--dir", cloud().folder().string(), "--out",
                                               file("b")};
  dying(backing_up, 0);
  const long backups = points_in(file("faults"));
  ASSERT_GT(backups, 5);
  for (long at = 1; at <= backups; ++at) {
    std::filesystem::remove_all(file("b"));
    dying(backing_up, at);
    if (!std::filesystem::exists(file("b"))) continue;
    EXPECT_TRUE(std::filesystem::exists(file("b/state/store.db"))) << at;
  }
  std::filesystem::remove_all(file("b"));
  ASSERT_EQ(back_up(cloud(), "b").exit_code, 0);

  for (int i = 0; i < 2; ++i) expect_opens();
  let_them_remember();
  cloud().stop();
  std::filesystem::remove_all(cloud().folder());
  const std::vector<std::string> restoring = {"restore-backup", "--from", file("b"), "--dir",
                                              cloud().folder().string()};
  std::filesystem::remove(file("faults"));
  dying(restoring, 0);
  const long restores = points_in(file("faults"));
  ASSERT_GT(restores, 5);
  for (long at = 1; at <= restores; ++at) {
    std::filesystem::remove_all(cloud().folder());
    dying(restoring, at);
    EXPECT_EQ(restore(cloud(), "b").exit_code, 0) << at;
    EXPECT_TRUE(std::filesystem::exists(cloud().state() / "restored"));
  }

  // In the place of a folder that is there: it keeps its name or is kept as .replaced-TIME, and what has
  // another name may be removed.
  const auto beside = [&](const std::string& beginning) {
    std::vector<path> folders;
    for (const auto& entry : std::filesystem::directory_iterator(system_->folder()))
      if (entry.path().filename().string().starts_with(beginning)) folders.push_back(entry.path());
    return folders;
  };
  const auto put_one_there = [&] {
    for (const path& old : beside("cloud.")) std::filesystem::remove_all(old);
    std::filesystem::remove_all(cloud().folder());
    ASSERT_EQ(restore(cloud(), "b").exit_code, 0);
    write_file(cloud().folder() / "was-there", "");
  };
  put_one_there();
  std::filesystem::remove(file("faults"));
  dying(restoring, 0);
  const long replaces = points_in(file("faults"));
  ASSERT_GT(replaces, restores);
  for (long at = 1; at <= replaces; ++at) {
    put_one_there();
    dying(restoring, at);
    for (const path& left : beside("cloud.tmp-")) std::filesystem::remove_all(left);
    auto places = beside("cloud.replaced-");
    places.push_back(cloud().folder());
    EXPECT_EQ(std::ranges::count_if(
                  places, [](const path& folder) { return std::filesystem::exists(folder / "was-there"); }),
              1)
        << at;
    EXPECT_TRUE(std::filesystem::exists(cloud().folder() / "keyring")) << at;
  }
  put_one_there();

  ASSERT_TRUE(cloud().start({.with_faults = true, .lists_points = true}));
  ASSERT_TRUE(opens_in_time());
  const long catching_up = points_in(cloud().fault_log());
  ASSERT_GE(catching_up, 4);
  for (long at = 1; at <= catching_up; ++at) {
    SCOPED_TRACE("the agent dies at point " + std::to_string(at));
    let_them_remember();
    cloud().stop();
    std::filesystem::remove_all(cloud().folder());
    ASSERT_EQ(restore(cloud(), "b").exit_code, 0);
    cloud().start({.with_faults = true, .fault_at = at});
    EXPECT_TRUE(in_time([&] { return !cloud().running(); }));
    cloud().kill();
    ASSERT_TRUE(cloud().start());
    ASSERT_TRUE(opens_in_time());
    EXPECT_FALSE(std::filesystem::exists(cloud().state() / "restored"));
    EXPECT_GE(store_entries(verified_log("cloud")), 1u);
  }
  std::cout << "backup has " << backups << " points, restore-backup " << restores << ", catching up "
            << catching_up << ": 0 stores lost\n";
}

TEST_P(LifecyclePutBackOnce, BackupOnAFullDiskLeavesNothing) {
  for (int i = 0; i < 5; ++i) expect_opens();
  // A limit of 8 KiB for each file that it writes: the store is longer.
  const auto limited = [&](const std::vector<std::string>& args) {
    return Command("/bin/sh")
        .args({"-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"",
               System::program("coprotect-provision").string()})
        .args(args)
        .run();
  };
  const Finished full =
      limited({"backup", "--dir", cloud().folder().string(), "--out", file("backups/full")});
  EXPECT_NE(full.exit_code, 0);
  std::filesystem::create_directory(file("backups"));
  const Finished run = limited({"backup", "--dir", cloud().folder().string(), "--out", file("backups/full")});
  EXPECT_EQ(run.exit_code, 4) << run.err;
  EXPECT_NE(run.err.find("store"), std::string::npos) << run.err;
  EXPECT_TRUE(std::filesystem::is_empty(file("backups")));
  expect_opens();
  EXPECT_EQ(run_for(cloud(), {"backup", "--dir", cloud().folder().string(), "--out", file("backups/good")})
                .exit_code,
            0);

  // Nor does a restore: what is there stays.
  cloud().stop();
  const Finished restored = Command("/bin/sh")
                                .args({"-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"",
                                       System::program("coprotect-provision").string(), "restore-backup",
                                       "--from", file("backups/good"), "--dir", file("elsewhere")})
                                .run();
  EXPECT_EQ(restored.exit_code, 4) << restored.err;
  EXPECT_FALSE(std::filesystem::exists(file("elsewhere")));
  // In the place of an agent's folder that is not newer.
  ASSERT_EQ(restore(cloud(), "backups/good").exit_code, 0);
  ASSERT_TRUE(cloud().start());
  ASSERT_TRUE(opens_in_time());
  EXPECT_EQ(std::ranges::count_if(std::filesystem::directory_iterator(system_->folder()),
                                  [](const auto& entry) {
                                    return entry.path().filename().string().starts_with("cloud.replaced-");
                                  }),
            1);
  // A backup of another agent is not put in its place.
  ASSERT_EQ(back_up(company(), "of-company").exit_code, 0);
  cloud().stop();
  EXPECT_EQ(
      run_for(company(), {"restore-backup", "--from", file("of-company"), "--dir", cloud().folder().string()})
          .exit_code,
      3);
}

}  // namespace
}  // namespace coprotect::harness
