// A company's keys, one after another: the newest encrypts, older ones decrypt, are disabled, taken back, and
// in the end destroyed.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "client/enrolment.h"
#include "client/files/encrypted_file.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class LifecycleRotation : public testing::TestWithParam<std::string> {
 protected:
  // Encrypts a new file; the key_id that it got.
  std::string encrypt(const path& config, const std::string& name) {
    write_file(system_.folder() / name, "text of " + name);
    const Finished run = system_.coprotect(config, {"encrypt", (system_.folder() / name).string()});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    auto input = client::Input::open(sealed(name));
    if (!input) return "";
    const auto header = client::read_header(*input);
    EXPECT_TRUE(header && header->stanzas().size() == 1);
    return header ? to_hex(header->stanzas().front().key_id) : "";
  }
  std::string sealed(const std::string& name) const { return (system_.folder() / (name + ".cop")).string(); }
  Finished decrypt(const path& config, const std::string& name) const {
    return system_.coprotect(config, {"decrypt", sealed(name), "-o", "-"});
  }
  void expect_open(const path& config, const std::string& name) const {
    const Finished run = decrypt(config, name);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(run.out, "text of " + name);
  }
  void expect_refused(const path& config, const std::string& name, const std::string& why) const {
    const Finished run = decrypt(config, name);
    EXPECT_EQ(run.exit_code, 3) << run.err;
    EXPECT_TRUE(says(run.err, why)) << run.err;
  }
  void change(const std::string& key, const std::string& state,
              const std::vector<std::string>& options = {}) {
    const Finished run = system_.key_state(key, state, options);
    EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  }
  std::map<std::string, std::string> states() const {
    const Finished run = system_.provision({"keys", "--json", "--dir", system_.out().string()});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_TRUE(says(run.err, "both agents have this list")) << run.err;
    std::map<std::string, std::string> found;
    std::istringstream lines(run.out);
    for (std::string line; std::getline(lines, line);) {
      const auto key = nlohmann::json::parse(line);
      found[key["name"]] = key.value("state", "none");
    }
    return found;
  }
  static std::string key_id(const path& bundle) {
    return to_hex(client::load_bundle(bundle, std::nullopt)->key_id());
  }
  // How many agents' logs tell of an erasure.
  int erasures() const {
    const Finished log = system_.provision({"log", "--json", "--dir", system_.out().string()});
    int found = 0;
    std::istringstream lines(log.out);
    for (std::string line; std::getline(lines, line);) found += says(line, "shares are erased") ? 1 : 0;
    return found;
  }

  // `coprotect-provision hold-erasure` on an agent's host.
  static Finished hold(const Agent& agent, std::vector<std::string> args) {
    Command command(System::program("coprotect-provision"));
    for (const std::string& variable : agent.environment) command.env(variable);
    args.insert(args.begin(), {"hold-erasure", "--dir", agent.folder().string()});
    return command.args(args).run();
  }
  // How many entries of one agent's log have this operation or detail.
  int entries(const std::string& party, const std::string& what) const {
    const Finished log =
        system_.provision({"log", "--json", "--party", party, "--dir", system_.out().string()});
    int found = 0;
    std::istringstream lines(log.out);
    for (std::string line; std::getline(lines, line);) found += says(line, what) ? 1 : 0;
    return found;
  }
  void await_entry(const std::string& party, const std::string& what) const {
    for (int i = 0; i < 200 && entries(party, what) == 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_GE(entries(party, what), 1) << what << " at " << party;
  }

  System system_{System::Options{.suite = GetParam(), .policy = "destroy_seconds = 1\n"}};
};

TEST_P(LifecycleRotation, TheNewestKeyEncryptsAndAnOldOneIsLostOnlyWhenToldTo) {
  using States = std::map<std::string, std::string>;
  const path alice = system_.add_client("alice");
  const std::string first = key_id(system_.bundle());
  EXPECT_EQ(encrypt(alice, "old"), first);

  // Rotate: whoever is enrolled later knows it, whoever was learns of it from the agents.
  const Finished rotated = system_.rotate("next");
  ASSERT_EQ(rotated.exit_code, 0) << rotated.out << rotated.err;
  const std::string next = key_id(system_.bundle("next"));
  EXPECT_TRUE(says(rotated.out, next.substr(0, 4))) << rotated.out;
  EXPECT_EQ(states(), (States{{"acme", "decrypt-only"}, {"next", "encrypts"}}));
  const path bob = system_.add_client("bob");
  EXPECT_EQ(encrypt(bob, "new"), next);
  EXPECT_EQ(encrypt(alice, "meanwhile"), first) << "alice was not told yet";
  expect_open(alice, "new");
  EXPECT_EQ(encrypt(alice, "afterwards"), next);
  expect_open(alice, "old");
  expect_open(bob, "old");
  expect_open(bob, "meanwhile");
  const Finished update = system_.coprotect(system_.admin(), {"update"});
  EXPECT_EQ(update.exit_code, 0) << update.err;
  EXPECT_TRUE(says(update.out, first + "  decrypt-only")) << update.out;
  const Finished refused = system_.coprotect(
      alice, {"encrypt", "--key-id", first, "--force", (system_.folder() / "old").string()});
  EXPECT_EQ(refused.exit_code, 3) << refused.err;
  EXPECT_TRUE(says(refused.err, "decrypt-only")) << refused.err;

  // Disable, and take back.
  change("acme", "disabled");
  expect_refused(alice, "old", "the key is disabled");
  expect_open(alice, "new");
  Finished run = system_.recover({sealed("old"), "-o", "-"});
  EXPECT_EQ(run.exit_code, 3) << "with the recovery share, too: " << run.err;
  change(first, "decrypt-only");
  expect_open(alice, "old");

  // Destroy: shown, asked for, given its time, taken back, and done.
  run = system_.key_state("acme", "destroyed", {"--plan", "--files", system_.folder().string()});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(says(run.out, sealed("old")) && says(run.out, sealed("meanwhile"))) << run.out;
  EXPECT_FALSE(says(run.out, sealed("new"))) << run.out;
  expect_open(alice, "old");
  run = Command(System::program("coprotect-provision"))
            .args({"key-state", "acme", "destroyed", "--dir", system_.out().string(), "--key-id-fd", "8"})
            .feed(8, next + "\n")
            .run();
  EXPECT_EQ(run.exit_code, 3) << run.err;
  EXPECT_TRUE(says(run.err, "not the key_id")) << run.err;
  run = system_.key_state("acme", "destroyed", {"--yes", "--wait", "0s"});
  EXPECT_EQ(run.exit_code, 3) << run.err;
  EXPECT_TRUE(says(run.err, "waiting time")) << run.err;
  expect_open(alice, "old");
  change("acme", "destroyed", {"--yes", "--wait", "90d"});
  expect_refused(alice, "old", "the key is destroyed");
  change("acme", "decrypt-only");
  expect_open(alice, "old");
  EXPECT_EQ(erasures(), 0);

  change("acme", "destroyed", {"--yes", "--wait", "8s"});
  for (int i = 0; i < 200 && erasures() < 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(erasures(), 2) << "both agents";
  expect_refused(alice, "old", "the key is destroyed");
  EXPECT_EQ(system_.key_state("acme", "decrypt-only").exit_code, 3);
  EXPECT_EQ(states(), (States{{"acme", "destroyed"}, {"next", "encrypts"}}));

  // What is left works on, also after a restart.
  for (Agent* const agent : {&system_.cloud(), &system_.company()}) {
    agent->kill();
    ASSERT_TRUE(agent->start());
  }
  expect_refused(alice, "old", "the key is destroyed");
  expect_open(bob, "new");
  const path carol = system_.add_client("carol");
  EXPECT_EQ(encrypt(carol, "late"), next);
  expect_open(carol, "late");
}

TEST_P(LifecycleRotation, AnOperatorHoldsTheErasureOfADestroyedKey) {
  const path alice = system_.add_client("alice");
  const std::string first = key_id(system_.bundle());
  encrypt(alice, "old");
  ASSERT_EQ(system_.rotate("next").exit_code, 0);
  Finished run = hold(system_.cloud(), {std::string(64, '0')});
  EXPECT_EQ(run.exit_code, 3) << run.err;
  EXPECT_TRUE(says(run.err, "this agent has no key")) << run.err;
  run = hold(system_.cloud(), {});
  EXPECT_TRUE(says(run.out, first + "  not held")) << run.out << run.err;

  change("acme", "destroyed", {"--yes", "--wait", "10s"});
  run = hold(system_.cloud(), {first.substr(0, 16)});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  await_entry("cloud", "hold-erasure");
  await_entry("company", "shares are erased");
  system_.cloud().kill();
  ASSERT_TRUE(system_.cloud().start());
  expect_refused(alice, "old", "the key is destroyed");
  EXPECT_EQ(entries("cloud", "shares are removed"), 0);
  run = system_.provision({"keys", "--dir", system_.out().string()});
  EXPECT_TRUE(says(run.out, "held by the operator of the cloud agent")) << run.out;
  EXPECT_TRUE(says(run.out, "done at the company agent")) << run.out;
  EXPECT_FALSE(says(run.out, "erased at all its agents")) << run.out;
  run = system_.provision({"holders", "--dir", system_.out().string()});
  EXPECT_TRUE(says(run.out, "the operator of the cloud agent holds the erasure")) << run.out << run.err;
  run = hold(system_.cloud(), {});
  EXPECT_TRUE(says(run.out, first + "  held")) << run.out << run.err;

  // A backup takes the hold along.
  const path copy = system_.folder() / "copy";
  run = system_.provision({"backup", "--dir", system_.cloud().folder().string(), "--out", copy.string()});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(std::filesystem::exists(copy / "holds" / first));

  run = hold(system_.cloud(), {first, "--release", "--yes"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  await_entry("cloud", "shares are erased");
  EXPECT_EQ(entries("cloud", "release-erasure"), 1);
  run = system_.provision({"keys", "--dir", system_.out().string()});
  EXPECT_TRUE(says(run.out, "erased at all its agents")) << run.out;
}

// The time in the list has come, and every operator holds: whoever has the client CA's key takes it back.
TEST_P(LifecycleRotation, ADestructionThatIsHeldIsTakenBackAfterItsTime) {
  const path alice = system_.add_client("alice");
  const std::string first = key_id(system_.bundle());
  encrypt(alice, "old");
  change("acme", "destroyed", {"--yes", "--wait", "10s"});
  for (Agent* const agent : {&system_.cloud(), &system_.company()}) {
    const Finished held = hold(*agent, {first});
    ASSERT_EQ(held.exit_code, 0) << held.err;
  }
  std::this_thread::sleep_for(std::chrono::seconds(11));
  const Finished run = system_.provision({"keys", "--dir", system_.out().string()});
  EXPECT_TRUE(says(run.out, "due to be erased since")) << run.out;
  change("acme", "decrypt-only");
  expect_open(alice, "old");
}

class LifecycleRotationWithLosses : public LifecycleRotation {};

// Somebody signs a second list of one number, here with a copy of the folder, and gives it to the other
// agent.
TEST_P(LifecycleRotationWithLosses, TwoListsOfOneSerialLockNobodyOut) {
  const path alice = system_.add_client("alice");
  encrypt(alice, "old");
  const path copied = system_.folder() / "copied";
  const path aside = system_.folder() / "aside";
  std::filesystem::copy(system_.out(), copied, std::filesystem::copy_options::recursive);
  system_.company().stop();
  EXPECT_EQ(system_.key_state("acme", "disabled").exit_code, 4);
  system_.cloud().stop();
  ASSERT_TRUE(system_.company().start());
  std::filesystem::rename(system_.out(), aside);
  std::filesystem::rename(copied, system_.out());
  EXPECT_EQ(system_.key_state("acme", "destroyed", {"--yes", "--wait", "90d"}).exit_code, 4);
  std::filesystem::rename(system_.out(), copied);
  std::filesystem::rename(aside, system_.out());
  ASSERT_TRUE(system_.cloud().start());

  Finished run = system_.provision({"keys", "--dir", system_.out().string()});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(says(run.err, "have different key lists with serial 1")) << run.err;
  run = system_.coprotect(alice, {"update"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(says(run.err, "different key lists with serial 1")) << run.err;
  run = system_.coprotect(alice, {"rewrap", sealed("old")});
  EXPECT_TRUE(says(run.err, "different key lists with serial 1")) << run.err;
  run = system_.key_state("acme", "decrypt-only");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(says(run.err, "somebody else has the client CA's key")) << run.err;
  expect_open(alice, "old");
  run = system_.provision({"keys", "--dir", system_.out().string()});
  EXPECT_TRUE(says(run.err, "both agents have this list")) << run.err;
  run = system_.coprotect(alice, {"update", "--json"});
  EXPECT_TRUE(says(run.out, "\"serial\":3")) << run.out << run.err;
}

TEST_P(LifecycleRotationWithLosses, IsFinishedWhenAnAgentComesBack) {
  const path alice = system_.add_client("alice");
  ASSERT_EQ(system_.rotate("next").exit_code, 0);
  system_.company().stop();
  const Finished half = system_.key_state("acme", "disabled");
  EXPECT_EQ(half.exit_code, 4) << half.err;
  // It would learn the list from its peer, if that one could be reached.
  system_.cloud().stop();
  ASSERT_TRUE(system_.company().start());
  ASSERT_TRUE(system_.cloud().start());
  const Finished keys = system_.provision({"keys", "--dir", system_.out().string()});
  EXPECT_TRUE(says(keys.err, "an agent has an older list")) << keys.err;
  change("acme", "disabled");
  states();
  const Finished update = system_.coprotect(alice, {"update", "--json"});
  EXPECT_TRUE(says(update.out, "\"serial\":2")) << update.out;
}

INSTANTIATE_TEST_SUITE_P(Suites, LifecycleRotation, testing::Values("p256", "ffdhe3072"),
                         [](const auto& instance) { return instance.param; });

INSTANTIATE_TEST_SUITE_P(Suites, LifecycleRotationWithLosses, testing::Values("p256"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace coprotect::harness
