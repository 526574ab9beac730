#include "agent/kept_process.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

namespace coprotect::agent {
namespace {

using namespace std::chrono_literals;

class Kept : public testing::Test {
 protected:
  static void await_end(const KeptProcess& process) {
    pollfd event{process.handle(), POLLIN, 0};
    ASSERT_EQ(poll(&event, 1, 20'000), 1);
  }

  int starts_ = 0;
  std::string script_ = "exit 0";
  KeptProcess process_{"coprotect-x", [this] {
                         ++starts_;
                         return ChildProcess::start("x", {"/bin/sh", "-c", script_},
                                                    [](const auto&, ByteView) { return true; });
                       }};
};

TEST_F(Kept, IsStartedAgainLessAndLessOften) {
  ASSERT_TRUE(process_.start());
  for (const auto pause : {100ms, 200ms, 400ms}) {
    await_end(process_);
    process_.ended(false);
    EXPECT_EQ(process_.process(), nullptr);
    EXPECT_EQ(process_.handle(), -1);
    const auto ended = KeptProcess::Clock::now();
    const int before = starts_;
    process_.restart_when_due();
    EXPECT_EQ(starts_, before);  // not yet
    while (process_.process() == nullptr) {
      std::this_thread::sleep_for(std::min(process_.due_within(1s), 10ms));
      process_.restart_when_due();
    }
    EXPECT_GE(KeptProcess::Clock::now() - ended, pause - 20ms);
    EXPECT_FALSE(process_.stable());
  }
  EXPECT_EQ(starts_, 4);
}

TEST_F(Kept, RestsWhileItRuns) {
  script_ = "exec sleep 1000";
  ASSERT_TRUE(process_.start());
  process_.restart_when_due();
  EXPECT_EQ(starts_, 1);
  EXPECT_EQ(process_.due_within(1s), 1s);
}

TEST_F(Kept, IsTriedAgainIfItDoesNotStart) {
  KeptProcess missing("coprotect-x", [this] {
    ++starts_;
    return ChildProcess::start("x", {"/nowhere/coprotect-x"}, [](const auto&, ByteView) { return true; });
  });
  EXPECT_FALSE(missing.start());
  missing.restart_when_due();
  EXPECT_EQ(starts_, 1);
  std::this_thread::sleep_for(150ms);
  missing.restart_when_due();
  EXPECT_EQ(starts_, 2);
}

}  // namespace
}  // namespace coprotect::agent
