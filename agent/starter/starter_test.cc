// A real coprotect-starter, and its service for a process that may not start programs itself.

#include "agent/starter/starter.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <thread>

#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::agent {
namespace {

using namespace std::chrono_literals;

class StarterTest : public testing::Test {
 protected:
  void SetUp() override {
    auto begun = Starter::begin(
        COPROTECT_STARTER,
        {{.executable = "/bin/cat", .arguments = {"cat", "/dev/null"}},
         {.executable = "/bin/sh", .arguments = {"sh", "-c"}, .takes_more = true, .takes_environment = true},
         {.executable = "/bin/dash", .arguments = {"dash", "-c"}, .takes_more = true}},
        {"A=b c"});
    ASSERT_TRUE(begun) << begun.error().message();
    starter_ = *std::move(begun);
    auto ends = ipc::Channel::make_pair();
    ASSERT_TRUE(ends);
    ours_ = std::move(ends->first);
    its_ = std::move(ends->second);
  }

  Result<hsm::Spawned> run(const std::string& script) {
    return starter_->start("/bin/sh", {"sh", "-c", script}, {}, its_.get(), 3);
  }
  static bool ends_in_time(const hsm::Spawned& program) {
    pollfd ended{.fd = program.handle.get(), .events = POLLIN, .revents = 0};
    return poll(&ended, 1, 20'000) == 1;
  }

  std::unique_ptr<Starter> starter_;
  Fd ours_;
  Fd its_;
};

TEST_F(StarterTest, StartsAProgramWithItsChannel) {
  const auto program = run("echo \"$A\" >&3; exit 5");
  ASSERT_TRUE(program) << program.error().message();
  std::array<char, 16> said{};
  its_.reset();
  EXPECT_EQ(read(ours_.get(), said.data(), said.size()), 4);
  EXPECT_STREQ(said.data(), "b c\n");
  const auto status = starter_->reap(*program);
  ASSERT_TRUE(status);
  EXPECT_EQ(WEXITSTATUS(*status), 5);
  EXPECT_FALSE(starter_->lost());
}

TEST_F(StarterTest, KillsWhatAProgramStarted) {
  const auto program = run("/bin/sleep 1000 & echo $! >&3; wait");
  ASSERT_TRUE(program);
  std::array<char, 16> said{};
  ASSERT_GT(read(ours_.get(), said.data(), said.size()), 0);
  starter_->signal_group(program->pid, SIGKILL);
  EXPECT_TRUE(ends_in_time(*program));
  const auto status = starter_->reap(*program);
  ASSERT_TRUE(status);
  EXPECT_EQ(WTERMSIG(*status), SIGKILL);
  const pid_t below = std::stoi(said.data());
  while (kill(below, 0) == 0) std::this_thread::yield();
}

TEST_F(StarterTest, StartsNothingElse) {
  for (const char* const other : {"/bin/true", "sh", "/bin/../bin/sh", ""}) {
    const auto program = starter_->start(other, {"x"}, {}, its_.get(), 3);
    ASSERT_FALSE(program) << other;
    EXPECT_EQ(program.error().code(), Code::unavailable);
    EXPECT_NE(program.error().message().find("may not start"), std::string::npos);
  }
  EXPECT_TRUE(run("exit 0"));
}

// An attacker in the custodian would choose a library to preload, or a file to read.
TEST_F(StarterTest, StartsThemWithNothingElse) {
  EXPECT_TRUE(starter_->start("/bin/cat", {"cat", "/dev/null"}, {}, its_.get(), 3));
  for (const std::vector<std::string>& other :
       {std::vector<std::string>{"cat", "/etc/passwd"}, {"cat"}, {"cat", "/dev/null", "/etc/passwd"}, {}}) {
    const auto program = starter_->start("/bin/cat", other, {}, its_.get(), 3);
    ASSERT_FALSE(program);
    EXPECT_NE(program.error().message().find("may not start"), std::string::npos);
  }
  for (const char* const shell : {"sh", "dash"}) {
    const auto program = starter_->start(std::string("/bin/") + shell,
                                         {shell, "-c", "[ -z \"$LD_PRELOAD\" ] || exit 1; exit 7"},
                                         {"LD_PRELOAD=/tmp/x.so", "A=other"}, its_.get(), 3);
    ASSERT_TRUE(program);
    const auto status = starter_->reap(*program);
    ASSERT_TRUE(status);
    EXPECT_EQ(WEXITSTATUS(*status), 7);
  }
  const auto without = starter_->start("/bin/dash", {"dash", "-c", "exit ${A:+1}"}, {}, its_.get(), 3);
  ASSERT_TRUE(without);
  EXPECT_EQ(WEXITSTATUS(*starter_->reap(*without)), 0);
}

TEST_F(StarterTest, SaysWhyAProgramDoesNotStart) {
  auto missing = Starter::begin(COPROTECT_STARTER, {{.executable = "/nowhere", .arguments = {"x"}}});
  ASSERT_TRUE(missing);
  const auto program = (*missing)->start("/nowhere", {"x"}, {}, its_.get(), 3);
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().message(), "cannot start \"/nowhere\": No such file or directory");
  const auto longer = run(std::string(std::size_t{2} << 20, 'x'));
  ASSERT_FALSE(longer);
  EXPECT_NE(longer.error().message().find("too long"), std::string::npos);
  EXPECT_FALSE(starter_->lost());
}

TEST_F(StarterTest, TouchesNoOtherProcess) {
  const harness::Daemon other = harness::Daemon::spawn({"/bin/sleep", "1000"}, {}, {});
  starter_->signal_group(other.pid(), SIGKILL);
  starter_->signal_group(1, SIGTERM);
  EXPECT_EQ(kill(other.pid(), 0), 0);
}

TEST_F(StarterTest, IsLostIfItEnds) {
  const pid_t process = harness::child_of(getpid(), "coprotect-start");
  ASSERT_GT(process, 0);
  ASSERT_EQ(kill(process, SIGKILL), 0);
  pollfd ended{.fd = starter_->handle(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&ended, 1, 20'000), 1);
  const auto program = run("exit 0");
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().code(), Code::unavailable);
  EXPECT_TRUE(starter_->lost());
}

// Many threads send orders concurrently; each gets its own answer.
TEST_F(StarterTest, ServesManyThreads) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([this, i] {
      for (int round = 0; round < 5; ++round) {
        const auto program = run("exit " + std::to_string(i + 1));
        ASSERT_TRUE(program);
        const auto status = starter_->reap(*program);
        ASSERT_TRUE(status);
        EXPECT_EQ(WEXITSTATUS(*status), i + 1);
      }
    });
}

}  // namespace
}  // namespace coprotect::agent
