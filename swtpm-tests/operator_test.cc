// What an agent's operator is shown: `coprotect-agent status` and `coprotect-agent check`, of real agents.

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class Operator : public testing::Test {
 protected:
  // Of the company, whose token has a PIN.
  Agent& agent() { return system_.company(); }
  Finished run(const std::string& command, const std::vector<std::string>& more = {}) {
    Command agents(System::program("coprotect-agent"));
    std::vector<std::string> args = {command, "--config", agent().config().string()};
    args.insert(args.end(), more.begin(), more.end());
    agents.args(args);
    for (const std::string& variable : agent().environment) agents.env(variable);
    return agents.run(60s);
  }
  nlohmann::json status() { return nlohmann::json::parse(run("status", {"--json"}).out, nullptr, false); }
  // The status once the agent's next report is as expected.
  nlohmann::json status_when(const std::function<bool(const nlohmann::json&)>& expected) {
    nlohmann::json now;
    for (const auto end = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < end;
         std::this_thread::sleep_for(500ms)) {
      now = status();
      if (now.contains("report") && now["report"].is_object() && expected(now["report"])) break;
    }
    return now;
  }
  // That it finds this one fault, and none but it.
  void expect_fault(const std::string& object, const std::string& cause, const std::string& step) {
    const Finished found = run("check");
    EXPECT_EQ(found.exit_code, 1);
    EXPECT_EQ(found.out.find("fault: "), found.out.rfind("fault: ")) << found.out;
    for (const std::string& part : {"fault: " + object, cause, step})
      EXPECT_NE(found.out.find(part), std::string::npos) << part << " is not in:\n" << found.out << found.err;
  }
  void expect_no_fault() {
    const Finished found = run("check");
    EXPECT_EQ(found.exit_code, 0) << found.out << found.err;
    EXPECT_NE(found.out.find("no fault found\n"), std::string::npos) << found.out;
  }
  // Every file in the agent's folder, with its content and the time of its last change.
  std::map<std::string, std::pair<std::string, fs::file_time_type>> files() {
    std::map<std::string, std::pair<std::string, fs::file_time_type>> found;
    for (const auto& entry : fs::recursive_directory_iterator(agent().folder()))
      if (entry.is_regular_file())
        found[entry.path()] = {read_file(entry.path()), fs::last_write_time(entry.path())};
    return found;
  }

  System system_{System::Options{.peer_seconds = 1}};
};

TEST_F(Operator, IsShownWhatARunningAgentHolds) {
  ASSERT_EQ(system_.invite(agent()).exit_code, 0);
  const auto all = status_when([](const nlohmann::json& report) {
    return report["keys"].size() == 1 && !report["invitations"].empty() &&
           report["peers"][0]["heard"].is_string();
  });
  const auto& report = all["report"];
  EXPECT_EQ(all["runs"], true);
  EXPECT_EQ(report["role"], "company");
  const auto& key = report["keys"][0];
  EXPECT_EQ(key["tenant"], "acme");
  EXPECT_EQ(key["purpose"], "files");
  EXPECT_EQ(key["epoch"], 0);
  EXPECT_EQ(key["state"], "active");
  EXPECT_EQ(key["holders"].size(), 3u);
  EXPECT_EQ(report["tenants"][0]["tenant"], "acme");
  EXPECT_EQ(report["peers"][0]["url"], system_.cloud().url());
  EXPECT_EQ(report["store"], "ok");
  EXPECT_EQ(report["token"]["state"], "ok");
  EXPECT_GT(all["disk"]["size_mib"].get<std::uint64_t>(), 0u);
  EXPECT_EQ(all["certificates"].size(), 2u);

  const Finished shown = run("status");
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  const std::string key_id = key["key_id"];
  for (const std::string& part :
       {std::string("agent company at "), std::string(": runs\n"),
        key_id.substr(0, 4) + " " + key_id.substr(4, 4), std::string("open invitations:\n"),
        std::string("last drill: never"), std::string("backup: none")})
    EXPECT_NE(shown.out.find(part), std::string::npos) << part << " is not in:\n" << shown.out;
}

TEST_F(Operator, IsToldThatAnAgentDoesNotRun) {
  EXPECT_EQ(run("status").exit_code, 0);
  agent().stop();
  const Finished shown = run("status");
  EXPECT_EQ(shown.exit_code, 3) << shown.err;
  EXPECT_NE(shown.out.find(": does not run\n"), std::string::npos) << shown.out;
  fs::remove(agent().state() / "status.json");
  EXPECT_EQ(run("status").exit_code, 3);
}

TEST_F(Operator, FindsNoFaultAndChangesNothing) {
  expect_no_fault();  // beside the running agent
  agent().stop();
  const auto before = files();
  expect_no_fault();
  EXPECT_EQ(files(), before);
  ASSERT_TRUE(agent().start());
}

TEST_F(Operator, FindsThePeerThatIsMissing) {
  agent().stop();
  system_.cloud().stop();
  expect_fault("agent \"cloud\" at " + system_.cloud().url(), "cannot connect", "start that agent");
}

TEST_F(Operator, FindsWhatIsOpenToOthers) {
  agent().stop();
  fs::permissions(agent().state(), fs::perms::others_write, fs::perm_options::add);
  expect_fault("folder ", "others may write", "chmod go-w");
  fs::permissions(agent().state(), fs::perms::others_write, fs::perm_options::remove);
  fs::permissions(agent().folder() / "tls.key.pem", fs::perms::others_read, fs::perm_options::add);
  const Finished found = run("check");
  EXPECT_NE(found.out.find("fault: TLS key"), std::string::npos) << found.out;
}

TEST_F(Operator, FindsAPinFileThatIsOpenToOthers) {
  agent().stop();
  fs::permissions(system_.token().pin_file(), fs::perms::others_read, fs::perm_options::add);
  expect_fault("token ", "open to others", "chmod");
}

TEST_F(Operator, TriesNoPinThatWasRefused) {
  agent().stop();
  std::string config = read_file(agent().config());
  const std::string uri = system_.token().uri();
  config.replace(config.find(uri), uri.size(), SoftToken::counting_logins(uri));
  write_file(agent().config(), config);
  const std::string pin = read_file(system_.token().pin_file());
  write_file(system_.token().pin_file(), "314159");
  expect_fault("token ", "PIN", "write the right PIN into the PIN file");
  const auto logins = system_.token().logins();
  EXPECT_GT(logins, 0u);
  expect_fault("token ", "PIN", "write the right PIN into the PIN file");
  EXPECT_EQ(system_.token().logins(), logins);
  write_file(system_.token().pin_file(), pin);
  expect_no_fault();
}

TEST_F(Operator, FindsAnAddressThatIsTaken) {
  agent().stop();
  std::string config = read_file(agent().config());
  const std::string other = system_.cloud().url().substr(std::string("https://").size());
  const auto listen = config.find("listen = \"") + std::string("listen = \"").size();
  config.replace(listen, config.find('"', listen) - listen, other);
  write_file(agent().config(), config);
  expect_fault("address " + other, "cannot listen", "end the program that uses the address");
}

TEST_F(Operator, FindsAMistakeInTheConfiguration) {
  write_file(agent().config(), read_file(agent().config()) + "\n[policy.handover]\ndelay_second = 1\n");
  const Finished found = run("check");
  EXPECT_EQ(found.exit_code, 1);
  EXPECT_NE(found.out.find("delay_second\" is not known"), std::string::npos) << found.out;
  EXPECT_EQ(run("status").exit_code, 1);
}

TEST_F(Operator, FindsAStoreThatWasAltered) {
  agent().stop();
  fs::resize_file(agent().state() / "store.db", 5'000);
  expect_fault("store ", "store", "docs/runbooks/backup-and-restore.md");
}

TEST_F(Operator, FindsThatTheFolderIsAnothers) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  agent().stop();
  ASSERT_EQ(chown(agent().state().c_str(), 12'345, 12'345), 0);
  expect_fault("user", "belongs to the user with the number 12345", "sudo -u '#12345' coprotect-agent check");
}

TEST(Usage, OfTheOperatorsCommands) {
  const auto exit_code_of = [](const std::vector<std::string>& args) {
    return Command(System::program("coprotect-agent")).args(args).run(20s).exit_code;
  };
  EXPECT_EQ(exit_code_of({"status"}), 2);
  EXPECT_EQ(exit_code_of({"check", "--json", "--config", "x"}), 2);
  EXPECT_EQ(exit_code_of({}), 2);
  EXPECT_EQ(exit_code_of({"status", "--help"}), 0);
  EXPECT_EQ(exit_code_of({"status", "--config", "/nonexistent/agent.toml"}), 1);
  EXPECT_EQ(exit_code_of({"check", "--config", "/nonexistent/agent.toml"}), 1);
}

}  // namespace
}  // namespace coprotect::harness
