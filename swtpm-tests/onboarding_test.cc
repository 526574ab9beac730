// How a company's key comes to be: with both agents real, and everything that can go wrong around it.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>

#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

mode_t mode_of(const path& file) {
  struct stat info {};
  EXPECT_EQ(stat(file.c_str(), &info), 0) << file;
  return info.st_mode & 0777;
}

// Whether a text stands in any file under a folder, as it is or without its hyphens.
bool found_under(const path& folder, const std::string& text) {
  std::string bare = text;
  std::erase(bare, '-');
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string content = read_file(entry.path());
    if (content.find(text) != std::string::npos || content.find(bare) != std::string::npos) return true;
  }
  return false;
}

bool keeps(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Onboards with other options than System::onboard().
Finished onboard_with(const std::vector<std::string>& options) {
  Command command(System::program("coprotect-provision"));
  command.args({"onboard", "--tenant", "acme", "--ca-passphrase-fd", "9"})
      .args(options)
      .feed(9, "a passphrase for this test\n");
  return command.retype(7, 8).args({"--show-code-fd", "7", "--code-fd", "8"}).run();
}
std::vector<std::string> invitations(System& system) {
  return {"--cloud-invitation", system.cloud().invitation().string(), "--company-invitation",
          system.company().invitation().string()};
}
std::vector<std::string> joined(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class OnboardingInSuite : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Suites, OnboardingInSuite, testing::Values("p256", "ffdhe3072"),
                         [](const auto& instance) { return instance.param; });

TEST_P(OnboardingInSuite, LeavesAllThatTheCompanyNeedsAndTheCodeNowhere) {
  System system(System::Options{.suite = GetParam(), .onboarded = false});
  const Finished run = system.onboard();
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(keeps(run.out, "active at both agents")) << run.out;

  const path out = system.out();
  for (const char* name :
       {"acme.bundle", "acme.kit", "recovery-sheet.txt", "client-ca.pem", "client-ca.key", "client-list",
        "admin/config.toml", "admin/acme.bundle", "admin/admin.pem", "admin/admin.key.pem"})
    EXPECT_TRUE(std::filesystem::is_regular_file(out / name)) << name;
  EXPECT_FALSE(std::filesystem::exists(out / ".onboarding"));
  EXPECT_EQ(mode_of(out), 0700u);
  for (const char* name : {"acme.kit", "client-ca.key", "admin/admin.key.pem"})
    EXPECT_EQ(mode_of(out / name), 0600u) << name;

  // memory_kib of SPEC.md §8.4: the 8 MiB that were asked for.
  EXPECT_EQ(read_file(out / "client-ca.key").substr(37, 4), std::string("\0\0\x20\0", 4));

  ASSERT_EQ(system.code().size(), 41u);
  EXPECT_FALSE(found_under(system.folder(), system.code())) << "the code was written down by a program";
  for (const std::string* text : {&run.out, &run.err}) EXPECT_FALSE(keeps(*text, system.code()));

  const Finished log = system.provision({"log", "--dir", out.string()});
  EXPECT_EQ(log.exit_code, 0) << log.err;
  EXPECT_TRUE(keeps(log.out, "ceremony")) << log.out;
}

class Onboarding : public testing::Test {
 protected:
  System system_{System::Options{.onboarded = false}};
};

TEST_F(Onboarding, MayBeRunAgain) {
  ASSERT_EQ(system_.onboard().exit_code, 0);
  const std::string kit = read_file(system_.kit());
  const std::string code = system_.code();
  const Finished again = system_.onboard();
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(again.written.at(7), "") << "no second code";
  EXPECT_EQ(read_file(system_.kit()), kit);
  EXPECT_EQ(system_.code(), code);
}

TEST_F(Onboarding, NamesTheMistypedGroupAndMakesNoKey) {
  const Finished wrong = system_.onboard(System::program("coprotect-provision"), {}, [](std::string typed) {
    char& sign = typed[12];  // of the third group
    sign = sign == 'A' ? 'B' : 'A';
    return typed;
  });
  EXPECT_EQ(wrong.exit_code, 7) << wrong.err;
  EXPECT_TRUE(keeps(wrong.err, "group 3")) << wrong.err;
  EXPECT_FALSE(std::filesystem::exists(system_.kit()));
  const Finished right = system_.onboard();
  EXPECT_EQ(right.exit_code, 0) << right.err;
}

TEST_F(Onboarding, SaysWhichAgentDoesNotAnswerAndCanBeRepeated) {
  system_.company().stop();
  const Finished run = system_.onboard();
  EXPECT_EQ(run.exit_code, 4) << run.err;
  EXPECT_TRUE(keeps(run.err, "company agent")) << run.err;
  ASSERT_TRUE(system_.company().start());
  EXPECT_EQ(system_.onboard().exit_code, 0);
}

TEST_F(Onboarding, WarnsOnAnAgentsHost) {
  const auto options = joined(invitations(system_), {"--out", system_.out().string()});
  const Finished run = onboard_with(options);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(keeps(run.err, "the cloud agent runs on this host")) << run.err;
  EXPECT_TRUE(keeps(run.err, "the company agent runs on this host")) << run.err;
}

TEST_F(Onboarding, RefusesAnInvitationThatWasUsed) {
  ASSERT_EQ(system_.onboard().exit_code, 0);
  const path second = system_.folder() / "second";
  const Finished run = onboard_with(joined(invitations(system_), {"--out", second.string(), "--same-host"}));
  EXPECT_EQ(run.exit_code, 3) << run.err;
  EXPECT_TRUE(keeps(run.err, "used already")) << run.err;
  EXPECT_FALSE(std::filesystem::exists(second / "acme.kit"));
}

TEST_F(Onboarding, RefusesInvitationsInEachOthersPlace) {
  const Finished run = onboard_with({"--out", system_.out().string(), "--cloud-invitation",
                                     system_.company().invitation().string(), "--company-invitation",
                                     system_.cloud().invitation().string()});
  EXPECT_EQ(run.exit_code, 3) << run.err;
}

TEST_F(Onboarding, RefusesAnInvitationWithALetterChanged) {
  std::string line = read_file(system_.cloud().invitation());
  char& letter = line[line.size() / 2];
  letter = letter == 'A' ? 'B' : 'A';
  write_file(system_.folder() / "changed", line);
  const Finished run = onboard_with({"--out", system_.out().string(), "--cloud-invitation",
                                     (system_.folder() / "changed").string(), "--company-invitation",
                                     system_.company().invitation().string()});
  EXPECT_EQ(run.exit_code, 5) << run.err;
  EXPECT_TRUE(keeps(run.err, "changed")) << run.err;
}

TEST_F(Onboarding, ServesASecondTenantWithAFurtherInvitation) {
  ASSERT_EQ(system_.onboard().exit_code, 0);
  for (Agent* const agent : {&system_.cloud(), &system_.company()}) {
    Command command(System::program("coprotect-provision"));
    command.args({"invite", "--dir", agent->folder().string()});
    for (const std::string& assignment : agent->environment) command.env(assignment);
    const Finished run = command.run();
    ASSERT_EQ(run.exit_code, 0) << run.err;
  }
  const path out = system_.folder() / "umbrella";
  Command command(System::program("coprotect-provision"));
  command
      .args({"onboard", "--tenant", "umbrella", "--out", out.string(), "--show-code-fd", "7", "--code-fd",
             "8", "--ca-passphrase-fd", "9"})
      .args(invitations(system_))
      .feed(9, "another passphrase\n");
  const Finished run = command.retype(7, 8).run();
  ASSERT_EQ(run.exit_code, 0) << run.err;

  // Each sees its own entries; the other's are hashes that the chain runs through.
  const Finished log = system_.provision({"log", "--dir", out.string(), "--json"});
  ASSERT_EQ(log.exit_code, 0) << log.err;
  EXPECT_FALSE(keeps(log.out, "\"acme\"")) << log.out;
  EXPECT_TRUE(keeps(log.out, "\"umbrella\"")) << log.out;
  std::istringstream lines(log.out);
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line);
    if (!entry.contains("head")) continue;
    EXPECT_GT(entry["foreign"], 0) << line;
  }
}

TEST_F(Onboarding, OutlivesTheAgentsTlsKey) {
  ASSERT_EQ(system_.onboard().exit_code, 0);
  const path folder = system_.cloud().folder();
  const std::string before = read_file(folder / "tls.pem");
  const Finished run = system_.provision({"renew-tls", "--dir", folder.string()});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(read_file(folder / "tls.pem"), before);
  EXPECT_EQ(mode_of(folder / "tls.key.pem"), 0600u);
  system_.cloud().stop();
  ASSERT_TRUE(system_.cloud().start());
  EXPECT_EQ(system_.provision({"log", "--dir", system_.out().string(), "--party", "cloud"}).exit_code, 0);
}

class InitAgent : public testing::Test {
 protected:
  InitAgent() : scratch_(), tpm_(scratch_.path() / "tpm") {}
  Finished init(const std::vector<std::string>& options, const std::string& token,
                const std::string& folder = "agent") {
    return Command(System::program("coprotect-provision"))
        .args({"init-agent", "--dir", (scratch_.path() / folder).string(), "--token", token})
        .args(options)
        .run();
  }
  Scratch scratch_;
  SoftTpm tpm_;
};

TEST_F(InitAgent, KeepsItsSecretsToItself) {
  const Finished run = init({"--role", "cloud", "--url", "https://agent.example:8443"}, tpm_.uri());
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const path agent = scratch_.path() / "agent";
  for (const path& own : {agent, agent / "state", agent / "holds"}) EXPECT_EQ(mode_of(own), 0700u) << own;
  for (const char* name : {"keyring", "tls.key.pem", "invitation"})
    EXPECT_EQ(mode_of(agent / name), 0600u) << name;
  const std::string config = read_file(agent / "agent.toml");
  EXPECT_TRUE(keeps(config, "listen = \"[::]:8443\"")) << config;
  // The invitation's own record is wrapped: its secret is in the line that is handed over and nowhere else.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(agent / "state/invitations"),
                          std::filesystem::directory_iterator()),
            1);
}

// So that the operator can compare it with that of his chip.
TEST_F(InitAgent, NamesTheTokenThatTheAgentIsBoundTo) {
  const auto named = [&](const std::string& folder, const SoftTpm& tpm) {
    const Finished run = init({"--role", "cloud", "--url", "https://agent.example:8443"}, tpm.uri(), folder);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    std::smatch line;
    const std::regex form("\\n  its token     (tpm:000b[0-9a-f]{64})\\n");
    return std::regex_search(run.out, line, form) ? line[1].str() : "not named: " + run.out;
  };
  const SoftTpm other(scratch_.path() / "other-tpm");
  const std::string name = named("agent", tpm_);
  EXPECT_TRUE(name.starts_with("tpm:")) << name;
  EXPECT_EQ(named("second", tpm_), name);
  EXPECT_NE(named("elsewhere", other), name);
}

// As somebody who took the agent over may have put it there.
TEST_F(InitAgent, WritesNoInvitationThroughALink) {
  ASSERT_EQ(init({"--role", "cloud", "--url", "https://127.0.0.1:1"}, tpm_.uri()).exit_code, 0);
  const path records = scratch_.path() / "agent/state/invitations";
  const path elsewhere = scratch_.path() / "elsewhere";
  std::filesystem::rename(records, elsewhere);
  std::filesystem::create_directory_symlink(elsewhere, records);
  const Finished run = Command(System::program("coprotect-provision"))
                           .args({"invite", "--dir", (scratch_.path() / "agent").string()})
                           .run();
  EXPECT_NE(run.exit_code, 0);
  EXPECT_TRUE(keeps(run.err, "is not a folder")) << run.err;
  EXPECT_EQ(
      std::distance(std::filesystem::directory_iterator(elsewhere), std::filesystem::directory_iterator()),
      1);
}

TEST_F(InitAgent, IsDoneOnce) {
  ASSERT_EQ(init({"--role", "cloud", "--url", "https://127.0.0.1:1"}, tpm_.uri()).exit_code, 0);
  const std::string keyring = read_file(scratch_.path() / "agent/keyring");
  EXPECT_EQ(init({"--role", "cloud", "--url", "https://127.0.0.1:1"}, tpm_.uri()).exit_code, 3);
  EXPECT_EQ(read_file(scratch_.path() / "agent/keyring"), keyring);
}

TEST_F(InitAgent, LeavesNothingWithoutAToken) {
  const Finished run =
      init({"--role", "cloud", "--url", "https://127.0.0.1:1"}, "tpm:swtpm:path=/nonexistent");
  EXPECT_NE(run.exit_code, 0);
  EXPECT_TRUE(keeps(run.err, "tpm:swtpm:path=/nonexistent")) << run.err;
  EXPECT_FALSE(std::filesystem::exists(scratch_.path() / "agent"));
}

}  // namespace
}  // namespace coprotect::harness
