#include "provisioning/cli.h"

#include <gtest/gtest.h>

#include <vector>

#include "provisioning/durable.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

Exit run(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "coprotect-provision");
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const Exit exit = run_command_line(static_cast<int>(argv.size()), argv.data());
  testing::internal::GetCapturedStdout();
  testing::internal::GetCapturedStderr();
  return exit;
}

TEST(CommandLine, ExplainsItself) {
  EXPECT_EQ(run({"--help"}), Exit::done);
  for (const char* command :
       {"init-agent",  "invite",  "renew-tls", "onboard", "add-key", "add-client",     "remove-client",
        "log",         "refresh", "new-code",  "restore", "reshare", "holders",        "veto",
        "abort",       "rotate",  "key-state", "keys",    "backup",  "restore-backup", "drill",
        "hold-erasure"})
    EXPECT_EQ(run({command, "--help"}), Exit::done) << command;
}

TEST(CommandLine, RefusesWrongUse) {
  const harness::Scratch scratch;
  const std::string folder = scratch.path().string();
  const std::vector<std::vector<std::string>> cases = {
      {},
      {"nonsense"},
      {"init-agent"},
      {"init-agent", "--dir", folder + "/a", "--role", "The President", "--url", "https://h:1", "--token",
       "tpm:x"},
      {"init-agent", "--dir", folder + "/a", "--role", "cloud", "--url", "https://h:1", "--token", "tpm:x",
       "--hold-seconds", "-1"},
      {"onboard", "--tenant", "acme"},
      {"onboard", "--tenant", "acme", "--out", folder + "/o", "--cloud-invitation", folder + "/none",
       "--company-invitation", folder + "/none"},
      {"onboard", "--tenant", "acme", "--out", folder + "/o", "--cloud-invitation", "/dev/null",
       "--company-invitation", "/dev/null", "--ca-memory", "7"},
      {"add-key"},
      {"add-key", "mail", "--dir", folder, "--cloud-invitation", "/dev/null", "--company-invitation",
       "/dev/null"},
      {"add-key", "mail", "--dir", folder, "--purpose", "sign", "--cloud-invitation", "/dev/null",
       "--company-invitation", "/dev/null"},
      {"add-client", "alice"},
      {"hold-erasure"},
      {"hold-erasure", "--dir", folder, "--release"},
      {"hold-erasure", "--dir", folder, "0123456789abcdef", "--yes"},
      {"add-client", "alice", "--dir", folder, "--out", folder + "/alice", "--days", "91"},
      {"add-client", "alice", "--dir", folder, "--out", folder + "/alice", "--days", "0"},
      {"add-client", "alice", "--dir", folder, "--out", folder + "/alice", "--role", "recovery"},
      {"remove-client", "--dir", folder},
      {"log"},
      {"log", "--dir", folder, "--party", "recovery"},
  };
  for (const auto& arguments : cases)
    EXPECT_EQ(run(arguments), Exit::usage) << (arguments.empty() ? "nothing" : arguments.back());
}

// A recovery key is sealed only under a generated code (docs/decisions/0021).
TEST(CommandLine, KnowsNoPasswordForRecovery) {
  const harness::Scratch scratch;
  const std::string folder = scratch.path().string();
  const std::vector<std::vector<std::string>> commands = {
      {"onboard", "--tenant", "acme", "--out", folder + "/o", "--cloud-invitation", "/dev/null",
       "--company-invitation", "/dev/null"},
      {"add-key", "mail", "--dir", folder, "--purpose", "derive", "--cloud-invitation", "/dev/null",
       "--company-invitation", "/dev/null"},
      {"rotate", "--dir", folder, "--cloud-invitation", "/dev/null", "--company-invitation", "/dev/null"},
      {"new-code", "--dir", folder, "--ca-passphrase-fd", "0"},
  };
  const std::vector<std::vector<std::string>> options = {{"--password"}, {"--password-fd", "0"}};
  for (const auto& command : commands) {
    EXPECT_NE(run(command), Exit::usage) << command.front();
    for (const auto& option : options) {
      std::vector<std::string> with = command;
      with.insert(with.end(), option.begin(), option.end());
      EXPECT_EQ(run(with), Exit::usage) << command.front() << ' ' << option.front();
    }
  }
}

TEST(CommandLine, RefusesAnInvitationThatIsNotOne) {
  const harness::Scratch scratch;
  ASSERT_TRUE(write_durable(scratch / "invitation", bytes_of("coprotect-invitation-1.AAAA\n"), kPrivateMode));
  const std::string file = (scratch / "invitation").string();
  EXPECT_EQ(run({"onboard", "--tenant", "acme", "--out", (scratch / "out").string(), "--cloud-invitation",
                 file, "--company-invitation", file}),
            Exit::altered);
  EXPECT_FALSE(std::filesystem::exists(scratch / "out"));
}

TEST(CommandLine, RefusesAFolderThatIsNotAnOnboardings) {
  const harness::Scratch scratch;
  EXPECT_EQ(run({"remove-client", "alice", "--dir", scratch.path().string(), "--ca-passphrase-fd", "0"}),
            Exit::refused);
  EXPECT_EQ(run({"log", "--dir", scratch.path().string()}), Exit::refused);
}

}  // namespace
}  // namespace coprotect::provisioning
