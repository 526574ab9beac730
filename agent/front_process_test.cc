// How the custodian's process treats a compromised front: here a shell that writes to the channel.

#include "agent/front_process.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <chrono>

namespace coprotect::agent {
namespace {

using namespace std::chrono_literals;

class HostileFront : public testing::Test {
 protected:
  // A "front" that runs this script; descriptor 3 is its end of the channel.
  void start(const std::string& script) {
    auto started = start_front({"/bin/sh", "-c", script}, {.call = [this](auto, auto) { ++calls_; },
                                                           .ready = [this](auto) { ++readies_; },
                                                           .given_up = [](auto, auto) {}});
    ASSERT_TRUE(started) << started.error().message();
    front_ = std::move(*started);
  }
  std::string end() {
    pollfd event{front_->handle(), POLLIN, 0};
    return poll(&event, 1, 20'000) == 1 ? front_->reap() : "still runs";
  }

  std::atomic<int> calls_ = 0;
  std::atomic<int> readies_ = 0;
  std::unique_ptr<ChildProcess> front_;
};

TEST_F(HostileFront, IsKilledForBytesThatAreNoFrame) {
  for (const char* const bytes : {
           R"(\000\000\000\000)",                      // an empty frame
           R"(\377\377\377\377)",                      // a length that no frame has
           R"(\000\000\000\001\000)",                  // an unknown kind
           R"(\000\000\000\002\001\000)",              // half a call
           R"(\000\000\000\005\003\000\000\000\000)",  // what only the custodian says: whom to trust
           R"(\000\000\000\001\006)",                  // and: stop
       }) {
    start(std::string("printf '") + bytes + "' >&3; exec sleep 1000");
    EXPECT_EQ(end(), "was killed by signal 9") << bytes;
    EXPECT_EQ(calls_, 0);
  }
}

TEST_F(HostileFront, IsHeardUntilThen) {
  start(R"(printf '\000\000\000\003\004\001\002\000\000\000\001\377' >&3; exec sleep 1000)");
  EXPECT_EQ(end(), "was killed by signal 9");
  EXPECT_EQ(readies_, 1);
}

TEST_F(HostileFront, MayEndWhenItLikes) {
  start("exit 7");
  EXPECT_EQ(end(), "ended with status 7");
  start(R"(printf '\000\000' >&3)");
  EXPECT_EQ(end(), "ended with status 0");
}

TEST_F(HostileFront, FindsNothingButItsChannel) {
  // Exits with 0 if the environment is empty but for what the shell adds, and descriptors above 3 are closed.
  start(R"([ -z "$HOME$NOTIFY_SOCKET$SOFTHSM2_CONF" ] || exit 1
           for fd in 4 5 6 7 8 9; do if [ -e /proc/self/fd/$fd ]; then exit 2; fi; done
           [ -S /proc/self/fd/3 ])");
  EXPECT_EQ(end(), "ended with status 0");
}

TEST_F(HostileFront, IsKilledWithItsObject) {
  start("exec sleep 1000");
  const pid_t pid = front_->pid();
  front_.reset();
  EXPECT_NE(kill(pid, 0), 0);
}

class HangingProcess : public testing::Test {
 protected:
  // How a process that runs this script ends when it is pinged.
  std::string end_of(const std::string& script) {
    auto started = ChildProcess::start("x", {"/bin/sh", "-c", script}, [](auto&&...) { return false; });
    if (!started) return started.error().message();
    if (auto pinged = (*started)->ping({.every = 10ms, .answered_within = kPatience}); !pinged)
      return pinged.error().message();
    pollfd event{(*started)->handle(), POLLIN, 0};
    return poll(&event, 1, 20'000) == 1 ? (*started)->reap() : "still runs";
  }
  static constexpr std::chrono::milliseconds kPatience{1'000};
};

TEST_F(HangingProcess, IsKilled) {
  EXPECT_EQ(end_of("exec sleep 1000"), "was killed by signal 9");
  EXPECT_EQ(end_of("exec 3>&-; exec sleep 1000"), "was killed by signal 9");  // a channel that is closed
}

TEST_F(HangingProcess, IsKilledForAnAnswerToNoQuestion) {
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(end_of(R"(printf '\000\000\000\011\013\377\377\377\377\377\377\377\377' >&3; exec sleep 1000)"),
            "was killed by signal 9");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s);
}

// A ping's frame differs from its answer only in its kind.
TEST_F(HangingProcess, IsNoneThatAnswers) {
  EXPECT_EQ(end_of(R"(for i in 1 2 3 4 5 6 7 8 9; do
                        /bin/dd bs=13 count=1 <&3 2>/dev/null >/dev/null || exit 1
                        printf "\000\000\000\011\013\000\000\000\000\000\000\000\00$i" >&3
                        [ $i -lt 7 ] || exit 9
                      done)"),
            "ended with status 9");
}

TEST(FrontProcess, SaysWhyAProgramDoesNotStart) {
  const auto started =
      start_front({"/nowhere/coprotect-front"}, {[](auto, auto) {}, [](auto) {}, [](auto, auto) {}});
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message().find("/nowhere/coprotect-front"), std::string::npos);
}

}  // namespace
}  // namespace coprotect::agent
