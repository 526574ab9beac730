// The life of an agent: what its processes make of each other's end, of signals and of a wrong configuration.

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using namespace std::chrono_literals;
using std::filesystem::path;

// Whether `holds` becomes true; looked at again and again.
template <typename F>
bool becomes_true(F&& holds) {
  for (const auto end = std::chrono::steady_clock::now() + 20s; std::chrono::steady_clock::now() < end;) {
    if (holds()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

class AgentLife : public testing::Test {
 protected:
  AgentLife() : system_({.onboarded = false}) {}

  Agent& agent() { return system_.cloud(); }
  pid_t front() { return child_of(agent().daemon().pid(), "coprotect-front"); }
  pid_t relay() { return child_of(agent().daemon().pid(), "coprotect-relay"); }
  bool logged(const std::string& text) { return read_file(agent().log()).find(text) != std::string::npos; }
  // The agent, stopped before, with another configuration: how it ends, and what it says.
  Finished run_with(const std::string& old, const std::string& replacement) {
    agent().stop();
    std::string content = read_file(agent().config());
    content.replace(content.find(old), old.size(), replacement);
    write_file(agent().config(), content);
    return Command(System::program("coprotect-agent")).args({"--config", agent().config().string()}).run(20s);
  }

  System system_;
};

TEST_F(AgentLife, FrontIsConfinedBeforeTheAgentIsReady) {
  const path process = "/proc/" + std::to_string(front());
  EXPECT_EQ(status_field(process, "Seccomp"), "2");
  EXPECT_EQ(status_field(process, "NoNewPrivs"), "1");
}

TEST_F(AgentLife, RelayConfinesItself) {
  const path process = "/proc/" + std::to_string(relay());
  EXPECT_TRUE(becomes_true([&] { return status_field(process, "Seccomp") == "2"; }));
  EXPECT_EQ(status_field(process, "NoNewPrivs"), "1");
}

TEST_F(AgentLife, RelayThatDiesIsReplaced) {
  for (int i = 0; i < 3; ++i) {
    const pid_t first = relay();
    ASSERT_GT(first, 0);
    ASSERT_EQ(kill(first, SIGKILL), 0);
    EXPECT_TRUE(becomes_true([&] {
      const pid_t now = relay();
      return now > 0 && now != first;
    }));
  }
  EXPECT_TRUE(agent().running());
  EXPECT_TRUE(logged("<3>coprotect-relay was killed by signal 9"));
  const pid_t alone = relay();
  agent().kill();
  EXPECT_TRUE(becomes_true([&] { return kill(alone, 0) != 0; }));
}

TEST_F(AgentLife, FrontThatDiesIsReplaced) {
  for (int i = 0; i < 3; ++i) {
    const pid_t first = front();
    ASSERT_GT(first, 0);
    ASSERT_EQ(kill(first, SIGKILL), 0);
    EXPECT_TRUE(becomes_true([&] {
      const pid_t now = front();
      return now > 0 && now != first;
    }));
  }
  EXPECT_TRUE(agent().running());
  EXPECT_TRUE(logged("<3>coprotect-front was killed by signal 9"));
  const Finished run = system_.onboard();
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

TEST_F(AgentLife, FrontEndsWithTheAgent) {
  const pid_t alone = front();
  ASSERT_GT(alone, 0);
  agent().kill();
  EXPECT_TRUE(becomes_true([&] { return kill(alone, 0) != 0; }));
}

TEST_F(AgentLife, StopsCleanly) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const pid_t with_it = front();
    EXPECT_EQ(agent().daemon().end(signal), 0);
    EXPECT_TRUE(logged("<6>stopping"));
    EXPECT_NE(kill(with_it, 0), 0);
    ASSERT_TRUE(agent().start());
  }
}

TEST_F(AgentLife, LoadsItsCertificateAgain) {
  const pid_t before = front();
  const std::string certificate = read_file(agent().folder() / "tls.pem");
  write_file(agent().folder() / "tls.pem", "not a certificate");
  agent().daemon().signal(SIGHUP);
  EXPECT_TRUE(becomes_true([&] { return logged("<3>front: the old certificate stays"); }));
  write_file(agent().folder() / "tls.pem", certificate);
  agent().daemon().signal(SIGHUP);
  EXPECT_TRUE(becomes_true([&] { return logged("<6>front: certificate reloaded"); }));
  EXPECT_EQ(front(), before);
  const Finished run = system_.onboard();
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

TEST_F(AgentLife, NamesAnUnknownKey) {
  const Finished run = run_with("hold_seconds", "hold_second");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.err.find("\"hold_second\" is not known"), std::string::npos) << run.err;
}

TEST_F(AgentLife, DoesNotStartOnATakenAddress) {
  const std::string taken = system_.company().url().substr(std::string("https://").size());
  const std::string own = agent().url().substr(std::string("https://").size());
  const Finished run = run_with("listen = \"" + own, "listen = \"" + taken);
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.err.find("cannot listen on \"" + taken + "\""), std::string::npos) << run.err;
}

// As systemd starts it again and again, unless the exit status says that this is in vain.
TEST_F(AgentLife, TriesARefusedPinOnce) {
  Agent& company = system_.company();
  company.stop();
  const SoftToken& token = system_.token();
  std::string content = read_file(company.config());
  const std::string uri = token.uri();
  content.replace(content.find(uri), uri.size(), SoftToken::counting_logins(uri));
  write_file(company.config(), content);
  write_file(token.pin_file(), "314159");
  const auto start = [&] {
    return Command(System::program("coprotect-agent"))
        .args({"--config", company.config().string()})
        .env(company.environment.front())
        .run(20s);
  };
  for (int i = 0; i < 5; ++i) {
    const Finished run = start();
    EXPECT_EQ(run.exit_code, 77) << run.err;
    EXPECT_NE(run.err.find("until \"" + token.pin_file().string() + "\" changes"), std::string::npos)
        << run.err;
  }
  EXPECT_EQ(token.logins(), 1U);
  const std::string unit = read_file(COPROTECT_SOURCE_DIR "/agent/systemd/coprotect-agent.service.in");
  EXPECT_NE(unit.find("\nRestartPreventExitStatus=77\n"), std::string::npos);
  write_file(token.pin_file(), "271828");
  EXPECT_TRUE(company.start());
}

TEST_F(AgentLife, DoesNotStartWithoutItsToken) {
  const Finished run = run_with("swtpm:path=", "swtpm:path=/nowhere");
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_NE(run.err.find("keyring"), std::string::npos) << run.err;
}

}  // namespace
}  // namespace coprotect::harness
