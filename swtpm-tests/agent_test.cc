// The life of an agent: what its processes make of each other's end, of signals and of a wrong configuration.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "protocol/base/fd.h"
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

// In the place of systemd: starts an agent and hears what it says.
class ServiceManager {
 public:
  explicit ServiceManager(std::filesystem::path place)
      : place_(std::move(place)), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    place_.string().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  Daemon start(const Agent& agent, const std::string& watchdog_usec) const {
    std::vector<std::string> environment = agent.environment;
    environment.push_back("NOTIFY_SOCKET=" + place_.string());
    environment.push_back("WATCHDOG_USEC=" + watchdog_usec);
    return Daemon::spawn({System::program("coprotect-agent").string(), "--config", agent.config().string()},
                         environment, {});
  }
  // Whether it says this within some time, besides other things.
  bool hears(std::string_view wanted, std::chrono::milliseconds limit = 30s) const {
    for (const auto end = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < end;)
      if (next(end) == wanted) return true;
    return false;
  }

 private:
  std::string next(std::chrono::steady_clock::time_point end) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd waiting{socket_.get(), POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) != 1) return {};
    char text[256];
    const ssize_t n = recv(socket_.get(), text, sizeof text, MSG_DONTWAIT);
    return n < 0 ? std::string() : std::string(text, static_cast<std::size_t>(n));
  }

  std::filesystem::path place_;
  Fd socket_;
};

class AgentLife : public testing::Test {
 protected:
  AgentLife() : system_({.onboarded = false}) {}

  Agent& agent() { return system_.cloud(); }
  pid_t front() { return child_of(agent().daemon().pid(), "coprotect-front"); }
  // Its name in full has two letters more than Linux keeps.
  pid_t starter() { return child_of(agent().daemon().pid(), "coprotect-start"); }
  pid_t relay() { return child_of(agent().daemon().pid(), "coprotect-relay"); }
  // How often the log says this.
  std::size_t times_logged(const std::string& text) {
    const std::string log = read_file(agent().log());
    std::size_t times = 0;
    for (std::size_t at = 0; (at = log.find(text, at)) != std::string::npos; at += text.size()) ++times;
    return times;
  }
  bool logged(const std::string& text) { return read_file(agent().log()).find(text) != std::string::npos; }
  // The agent, stopped before, with another configuration: how it ends, and what it says.
  Finished run_with(const std::string& old, const std::string& replacement) {
    agent().stop();
    std::string content = read_file(agent().config());
    content.replace(content.find(old), old.size(), replacement);
    write_file(agent().config(), content);
    return Command(System::program("coprotect-agent")).args({"--config", agent().config().string()}).run(20s);
  }

  // The agent with this at the end of its configuration.
  void restart_with(const std::string& more) {
    agent().stop();
    write_file(agent().config(), read_file(agent().config()) + "\n" + more);
    ASSERT_TRUE(agent().start());
  }

  // The running agent, which loads this configuration.
  void reload_with(const std::string& config) {
    write_file(agent().config(), config);
    agent().daemon().signal(SIGHUP);
  }

  // Whether another process takes the place of the one that runs this program.
  bool is_replaced(pid_t first, const std::string& program) {
    return becomes_true([&] {
      const pid_t now = child_of(agent().daemon().pid(), program);
      return now > 0 && now != first;
    });
  }

  void expect_onboarding() {
    const Finished run = system_.onboard();
    EXPECT_EQ(run.exit_code, 0) << run.err;
  }

  System system_;
};

TEST_F(AgentLife, FrontIsConfinedBeforeTheAgentIsReady) {
  const path process = "/proc/" + std::to_string(front());
  EXPECT_EQ(status_field(process, "Seccomp"), "2");
  EXPECT_EQ(status_field(process, "NoNewPrivs"), "1");
}

// Of what this process may do, SandboxDeathTest.LeavesWhatACustodianNeeds tells.
TEST_F(AgentLife, ConfinesItsOwnProcess) {
  const path process = "/proc/" + std::to_string(agent().daemon().pid());
  EXPECT_EQ(status_field(process, "Seccomp"), "2");
  EXPECT_EQ(status_field(process, "NoNewPrivs"), "1");
}

// To its operator, in the log and in a file for a monitor.
TEST_F(AgentLife, ShowsTheUseOfItsLimits) {
  const path runtime = system_.folder() / "run";
  std::filesystem::create_directory(runtime);
  agent().stop();
  agent().environment = {"RUNTIME_DIRECTORY=" + runtime.string()};
  ASSERT_TRUE(agent().start());
  EXPECT_TRUE(becomes_true([&] { return std::filesystem::exists(runtime / "limits.prom"); }));
  const std::string shown = read_file(runtime / "limits.prom");
  for (const char* const line :
       {"coprotect_limit{at=\"front\",limit=\"requests_per_client\"} 16\n",
        "coprotect_limit_use{at=\"long\",limit=\"requests\"} 0\n",
        "coprotect_limit_hits_total{at=\"day\",limit=\"requests_per_key_per_day\"} 0\n"})
    EXPECT_NE(shown.find(line), std::string::npos) << shown;
  EXPECT_FALSE(logged("limit front"));
  agent().daemon().signal(SIGUSR1);
  EXPECT_TRUE(
      becomes_true([&] { return logged("limit day voids_per_client_per_day: 0 of 16, hit 0 times"); }));
  EXPECT_TRUE(logged("limit front requests_per_client: 0 of 16, hit 0 times"));
  EXPECT_TRUE(logged("limit relay requests_per_tenant: 0 of 64, hit 0 times"));
}

TEST_F(AgentLife, InheritsNoDescriptor) {
  const path secret = system_.folder() / "somebody's";
  write_file(secret, "");
  const Fd open_here(open(secret.c_str(), O_RDONLY));  // and in whatever this process starts
  agent().stop();
  ASSERT_TRUE(agent().start());
  for (const pid_t process : {agent().daemon().pid(), starter(), front(), relay()})
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/fd"))
      EXPECT_NE(std::filesystem::read_symlink(entry.path()), secret);
}

// Nothing would be started any more: its supervisor starts the whole agent again.
TEST_F(AgentLife, EndsWithItsStarter) {
  const pid_t with_it = front();
  ASSERT_EQ(kill(starter(), SIGKILL), 0);
  EXPECT_TRUE(becomes_true([&] { return !agent().running(); }));
  EXPECT_TRUE(logged("coprotect-starter is gone"));
  EXPECT_TRUE(becomes_true([&] { return kill(with_it, 0) != 0; }));
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
    EXPECT_TRUE(is_replaced(first, "coprotect-relay"));
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
    EXPECT_TRUE(is_replaced(first, "coprotect-front"));
  }
  EXPECT_TRUE(agent().running());
  EXPECT_TRUE(logged("<3>coprotect-front was killed by signal 9"));
  expect_onboarding();
}

// Whoever stops it, or whatever loop it is in: it has the network's side of the agent.
TEST_F(AgentLife, FrontThatHangsIsReplaced) {
  restart_with("[limits]\nhang_seconds = 5\n");
  const pid_t first = front();
  ASSERT_GT(first, 0);
  ASSERT_EQ(kill(first, SIGSTOP), 0);
  EXPECT_TRUE(is_replaced(first, "coprotect-front"));
  EXPECT_TRUE(agent().running());
  EXPECT_TRUE(logged("<3>the front has not answered for 5 s; it is killed"));
  EXPECT_TRUE(logged("<3>coprotect-front was killed by signal 9"));
  expect_onboarding();
}

TEST_F(AgentLife, RelayThatHangsIsReplaced) {
  restart_with("[limits]\nhang_seconds = 5\n");
  const pid_t first = relay();
  ASSERT_GT(first, 0);
  ASSERT_EQ(kill(first, SIGSTOP), 0);
  EXPECT_TRUE(is_replaced(first, "coprotect-relay"));
  EXPECT_TRUE(agent().running());
  EXPECT_TRUE(logged("<3>the relay has not answered for 5 s; it is killed"));
}

// systemd kills a service that does not say for WatchdogSec that it is at work.
TEST_F(AgentLife, SaysThatItIsAtWork) {
  const std::string unit = read_file(COPROTECT_SOURCE_DIR "/agent/systemd/coprotect-agent.service.in");
  EXPECT_NE(unit.find("\nWatchdogSec=60s\n"), std::string::npos);
  agent().stop();
  const ServiceManager manager(system_.folder() / "notify");
  Daemon process = manager.start(agent(), "2000000");
  ASSERT_TRUE(manager.hears("READY=1"));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(manager.hears("WATCHDOG=1"));
  EXPECT_EQ(process.end(SIGTERM), 0);
}

TEST_F(AgentLife, FrontEndsWithTheAgent) {
  const pid_t alone = front();
  ASSERT_GT(alone, 0);
  agent().kill();
  EXPECT_TRUE(becomes_true([&] { return kill(alone, 0) != 0; }));
}

TEST_F(AgentLife, DoesNotStartWhereOthersMayReadItsSecretsOrWrite) {
  expect_onboarding();  // it has `epochs` from its first share on
  agent().stop();
  const path folder = agent().folder();
  const std::pair<path, mode_t> cases[] = {{folder, 0777},
                                           {folder, 0770},
                                           {folder / "state", 0770},
                                           {folder / "keyring", 0644},
                                           {folder / "tls.key.pem", 0604},
                                           {folder / "state/epochs", 0644}};
  for (const auto& [file, mode] : cases) {
    struct stat before {};
    ASSERT_EQ(stat(file.c_str(), &before), 0);
    ASSERT_EQ(chmod(file.c_str(), mode), 0);
    const Finished run =
        Command(System::program("coprotect-agent")).args({"--config", agent().config().string()}).run(20s);
    EXPECT_EQ(run.exit_code, 1) << file;
    EXPECT_NE(run.err.find(file.string()), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("chmod"), std::string::npos) << run.err;
    ASSERT_EQ(chmod(file.c_str(), before.st_mode & 07777), 0);
  }
  ASSERT_TRUE(agent().start());
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

// As systemd sends it, to the whole unit.
TEST_F(AgentLife, StopsCleanlyIfAllItsProcessesAreTold) {
  for (const pid_t process : {starter(), front(), relay()}) ASSERT_EQ(kill(process, SIGTERM), 0);
  const pid_t with_it = front();
  EXPECT_EQ(agent().daemon().end(SIGTERM), 0);
  EXPECT_TRUE(logged("<6>stopping"));
  EXPECT_FALSE(logged("was killed by signal"));
  EXPECT_NE(kill(with_it, 0), 0);
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
  expect_onboarding();
}

TEST_F(AgentLife, LoadsItsLimitsAgain) {
  const pid_t before = front();
  const std::string config = read_file(agent().config());
  reload_with(config + "\n[limits]\nrequests = 0\n");
  EXPECT_TRUE(becomes_true([&] { return logged("<3>the old limits stay: "); }));
  reload_with(config + "\n[limits]\nrequests = 100\n");
  EXPECT_TRUE(becomes_true([&] { return logged("<6>front: limits reloaded"); }));
  EXPECT_FALSE(logged("from the next start on"));
  std::string other = config;
  const std::string hold = "hold_seconds = 300\n";
  reload_with(other.replace(other.find(hold), hold.size(), "hold_seconds = 17\n"));
  EXPECT_TRUE(becomes_true([&] { return logged("from the next start on"); }));
  EXPECT_EQ(front(), before);
  expect_onboarding();
}

// A front that starts with them would end at once, again and again.
TEST_F(AgentLife, LimitsThatItCannotKeepAreNotTaken) {
  const rlimit files{.rlim_cur = 2'100, .rlim_max = 2'100};
  ASSERT_EQ(prlimit(agent().daemon().pid(), RLIMIT_NOFILE, &files, nullptr), 0);
  const std::string config = read_file(agent().config());
  reload_with(config + "\n[limits]\nconnections = 1500\n");
  EXPECT_TRUE(becomes_true([&] {
    return logged(
        "<3>the old limits stay: 1500 connections need 2524 open files, and the system lets this process "
        "have "
        "2100");
  }));
  const pid_t before = front();
  ASSERT_EQ(kill(before, SIGKILL), 0);
  // It listens before it confines itself.
  EXPECT_TRUE(becomes_true([&] {
    const pid_t now = front();
    return now > 0 && now != before && status_field("/proc/" + std::to_string(now), "Seccomp") == "2";
  }));
  expect_onboarding();
}

TEST_F(AgentLife, HearsOfNewLimitsWhileItsFrontIsDown) {
  const std::string certificate = read_file(agent().folder() / "tls.pem");
  const std::string config = read_file(agent().config());
  write_file(agent().folder() / "tls.pem", "not a certificate");
  ASSERT_EQ(kill(front(), SIGKILL), 0);
  // It was started some times in vain, and now waits for longer and longer.
  EXPECT_TRUE(becomes_true([&] { return times_logged("<3>coprotect-front ") >= 4 && front() == 0; }));
  reload_with(config + "\n[limits]\nrequests = 0\n");
  EXPECT_TRUE(becomes_true([&] { return logged("<3>the old limits stay: "); }));
  write_file(agent().config(), config);
  write_file(agent().folder() / "tls.pem", certificate);
  EXPECT_TRUE(becomes_true([&] { return times_logged("<6>listening on ") == 2; }));
  expect_onboarding();
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
