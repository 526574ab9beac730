// Who may use a key: enrolment, removal, renewal, and what the agents recorded.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

bool keeps(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class Clients : public testing::Test {
 protected:
  void SetUp() override {
    write_file(system_.folder() / "plain", "the text");
    ASSERT_EQ(
        system_.coprotect(system_.admin(), {"encrypt", (system_.folder() / "plain").string()}).exit_code, 0);
  }

  Finished provision(const std::string& command, const std::string& name,
                     const std::vector<std::string>& options = {},
                     const std::string& passphrase = "a passphrase for the tests' client CA, long enough\n") {
    return Command(System::program("coprotect-provision"))
        .args({command, name, "--dir", system_.out().string(), "--ca-passphrase-fd", "9"})
        .args(options)
        .feed(9, passphrase)
        .run();
  }
  Finished add(const std::string& name, std::vector<std::string> options = {}) {
    options.insert(options.end(), {"--out", folder_of(name).string()});
    return provision("add-client", name, options);
  }
  path folder_of(const std::string& name) const { return system_.folder() / ("client-" + name); }
  int decrypt(const path& config) {
    return system_.coprotect(config, {"decrypt", (system_.folder() / "plain.cop").string(), "-o", "-"})
        .exit_code;
  }

  System system_{System::Options{}};
};

TEST_F(Clients, AreServedFromEnrolmentToRemoval) {
  ASSERT_EQ(add("alice", {"--group", "finance", "--group", "board"}).exit_code, 0);
  const path alice = folder_of("alice") / "config.toml";
  EXPECT_EQ(decrypt(alice), 0);
  const Finished removed = provision("remove-client", "alice");
  EXPECT_EQ(removed.exit_code, 0) << removed.err;
  EXPECT_EQ(decrypt(alice), 3);
  EXPECT_EQ(provision("remove-client", "nobody").exit_code, 3);
}

TEST_F(Clients, OfRoleRecoveryAreRemovedByTheirWordsOnly) {
  const std::string recovery = "coprotect:acme:recovery:recovery";
  const Finished asked = provision("remove-client", recovery);
  EXPECT_NE(asked.exit_code, 0) << "nobody was there to type it";
  EXPECT_NE(asked.out.find("kit and code open nothing"), std::string::npos) << asked.out;
  EXPECT_NE(asked.err.find("--without-recovery"), std::string::npos) << asked.err;
  const Finished removed = provision("remove-client", recovery, {"--without-recovery"});
  EXPECT_EQ(removed.exit_code, 0) << removed.err;
  EXPECT_EQ(provision("remove-client", recovery).exit_code, 3) << "it was still enrolled until then";
}

TEST_F(Clients, AreEnrolledOnceUnderOneKey) {
  ASSERT_EQ(add("alice").exit_code, 0);
  EXPECT_EQ(add("alice").exit_code, 0) << "the same folder again";
  EXPECT_EQ(decrypt(folder_of("alice") / "config.toml"), 0);

  const path second = system_.folder() / "second";
  const Finished taken = provision("add-client", "alice", {"--out", second.string()});
  EXPECT_EQ(taken.exit_code, 3) << taken.err;
  EXPECT_FALSE(std::filesystem::exists(second));

  const Finished replaced = provision("add-client", "alice", {"--out", second.string(), "--replace"});
  EXPECT_EQ(replaced.exit_code, 0) << replaced.err;
  EXPECT_EQ(decrypt(second / "config.toml"), 0);
  EXPECT_EQ(decrypt(folder_of("alice") / "config.toml"), 3) << "the old key still opens";

  ASSERT_EQ(add("bob").exit_code, 0);
  EXPECT_EQ(provision("add-client", "carol", {"--out", folder_of("bob").string()}).exit_code, 3)
      << "bob's folder for carol";
}

TEST_F(Clients, AreCompletedWhenAnAgentComesBack) {
  system_.company().stop();
  const Finished half = add("alice");
  EXPECT_EQ(half.exit_code, 4) << half.err;
  EXPECT_TRUE(keeps(half.err, "company agent")) << half.err;
  EXPECT_TRUE(keeps(half.err, "hint: ")) << half.err;
  ASSERT_TRUE(system_.company().start());
  EXPECT_EQ(decrypt(folder_of("alice") / "config.toml"), 0) << "the company heard of alice from the cloud";
  const Finished whole = add("alice");
  EXPECT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_EQ(decrypt(folder_of("alice") / "config.toml"), 0);
}

TEST_F(Clients, AreRemovedAtTheAgentThatWasAwayToo) {
  ASSERT_EQ(add("alice").exit_code, 0);
  system_.cloud().stop();
  EXPECT_EQ(provision("remove-client", "alice").exit_code, 4);
  ASSERT_TRUE(system_.cloud().start());
  EXPECT_EQ(decrypt(folder_of("alice") / "config.toml"), 3) << "the cloud heard of it from the company";
  const Finished again = provision("remove-client", "alice");
  EXPECT_EQ(again.exit_code, 3) << again.err;
  EXPECT_TRUE(keeps(again.err, "no client \"alice\" is enrolled")) << again.err;
}

TEST_F(Clients, ChangeNothingIfNoAgentAnswers) {
  const std::string list = read_file(system_.out() / "client-list");
  system_.cloud().stop();
  system_.company().stop();
  EXPECT_EQ(add("alice").exit_code, 4);
  EXPECT_FALSE(std::filesystem::exists(folder_of("alice")));
  EXPECT_EQ(read_file(system_.out() / "client-list"), list);
}

TEST_F(Clients, NeedTheClientCasPassphrase) {
  const Finished run =
      provision("add-client", "mallory", {"--out", folder_of("mallory").string()}, "a guess\n");
  EXPECT_EQ(run.exit_code, 7) << run.err;
  EXPECT_FALSE(std::filesystem::exists(folder_of("mallory")));
}

TEST_F(Clients, OfRoleAdminReadTheLogAndOthersDoNot) {
  ASSERT_EQ(add("auditor", {"--role", "admin"}).exit_code, 0);
  ASSERT_EQ(add("alice").exit_code, 0);
  ASSERT_EQ(decrypt(folder_of("alice") / "config.toml"), 0);
  const Finished log =
      system_.provision({"log", "--config", (folder_of("auditor") / "config.toml").string(), "--json"});
  ASSERT_EQ(log.exit_code, 0) << log.err;
  std::map<std::string, int> intents;
  std::istringstream lines(log.out);
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line);
    if (entry.value("kind", "") == "intent" && entry["client"] == "coprotect:acme:user:alice")
      ++intents[entry["party"]];
  }
  EXPECT_EQ(intents, (std::map<std::string, int>{{"cloud", 1}, {"company", 1}})) << log.out;

  const Finished refused =
      system_.provision({"log", "--config", (folder_of("alice") / "config.toml").string()});
  EXPECT_EQ(refused.exit_code, 3) << refused.err;
}

TEST_F(Clients, SeeTheLogOfTheAgentThatAnswers) {
  system_.cloud().stop();
  const Finished log = system_.provision({"log", "--dir", system_.out().string()});
  EXPECT_EQ(log.exit_code, 4) << log.err;
  EXPECT_TRUE(keeps(log.err, "cloud agent")) << log.err;
  EXPECT_TRUE(keeps(log.out, "company: ")) << log.out;
}

TEST_F(Clients, AreNotForgottenByAnOldCopyOfTheFolder) {
  std::filesystem::copy(system_.out(), system_.folder() / "copy", std::filesystem::copy_options::recursive);
  ASSERT_EQ(add("alice").exit_code, 0);
  // The copy is behind, but learns from the agents where the list stands.
  const Finished run = Command(System::program("coprotect-provision"))
                           .args({"add-client", "bob", "--dir", (system_.folder() / "copy").string(), "--out",
                                  folder_of("bob").string(), "--ca-passphrase-fd", "9"})
                           .feed(9, "a passphrase for the tests' client CA, long enough\n")
                           .run();
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(decrypt(folder_of("alice") / "config.toml"), 0);
  EXPECT_EQ(decrypt(folder_of("bob") / "config.toml"), 0);
}

}  // namespace
}  // namespace coprotect::harness
