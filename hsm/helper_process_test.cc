#include "hsm/helper_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <thread>

#include "hsm/token.h"
#include "swtpm-tests/harness/helper_script.h"

namespace coprotect::hsm {
namespace {

using std::chrono_literals::operator""ms;

// Misbehaving programs in place of coprotect-token.
class HelperThat : public testing::Test {
 protected:
  // The outcome of a call to a helper that runs this script.
  Status call(const std::string& script, std::chrono::milliseconds timeout = std::chrono::seconds(20)) const {
    return Token({.uri = "tpm:x",
                  .helper = harness::helper_script(scratch_, "helper", script),
                  .timeout = timeout})
        .probe();
  }
  testing::AssertionResult unavailable(const Status& status, std::string_view message) const {
    if (status) return testing::AssertionFailure() << "the call succeeded";
    if (status.error().code() != Code::unavailable ||
        status.error().message().find(message) == std::string::npos)
      return testing::AssertionFailure() << status.error().message();
    // No child is left, running or dead; a helper that had no time to answer gets some time to end.
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
         std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(10ms)) {
      siginfo_t child{};
      if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD)
        return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << "a child is left";
  }
  // The same for one that reads the request first.
  Status call_and_reply(const std::string& script) const {
    return call("/bin/dd bs=9000 count=1 of=/dev/null <&3 2>&1\n" + script);
  }
  std::string seen(const std::string& name) const { return harness::read_file(scratch_ / name); }

  harness::Scratch scratch_;
};

TEST_F(HelperThat, EndsAtOnce) {
  EXPECT_TRUE(unavailable(call("exit 3"), "ended without a reply"));
}

TEST_F(HelperThat, Crashes) {
  EXPECT_TRUE(unavailable(call("kill -SEGV $$"), "ended without a reply: signal 11"));
}

TEST_F(HelperThat, HangsIsKilledWithAllThatItStarted) {
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(
      unavailable(call("/bin/sleep 1000 & echo $! > " + (scratch_ / "child").string() + "; wait", 500ms),
                  "does not answer"));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
  const pid_t grandchild = std::stoi(seen("child"));
  while (kill(grandchild, 0) == 0) std::this_thread::yield();
}

// A software token that is killed while it writes may be destroyed.
TEST_F(HelperThat, HangsMayEndWhatItBegan) {
  const auto file = (scratch_ / "ended").string();
  EXPECT_TRUE(unavailable(
      call("trap '/bin/sleep 1; echo well > " + file + "; exit' TERM\nwhile :; do /bin/sleep 0.1; done",
           500ms),
      "does not answer"));
  EXPECT_EQ(seen("ended"), "well\n");
}

// But the time is limited.
TEST_F(HelperThat, IgnoresThatItShallEnd) {
  EXPECT_TRUE(unavailable(call("trap '' TERM\nwhile :; do /bin/sleep 1; done", 500ms), "does not answer"));
}

TEST_F(HelperThat, ClosesItsChannelAndLives) {
  EXPECT_TRUE(unavailable(call("exec 3<&-; exec /bin/sleep 1000"), "ended without a reply"));
}

TEST_F(HelperThat, SendsSomethingElse) {
  for (const char* reply :
       {"printf x >&3", "printf CPTR >&3",
        "printf 'CPTR\\001\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000more' >&3",
        "printf 'CPTR\\001\\377\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000' >&3",
        "printf 'CPTR\\001\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\001k' >&3"})
    EXPECT_TRUE(unavailable(call_and_reply(reply), "not a reply")) << reply;
  EXPECT_TRUE(unavailable(call_and_reply("printf '%9000d' 0 >&3"), "more than a reply"));
}

TEST_F(HelperThat, SendsTheEmptyReplyOfAProbeSucceeds) {
  EXPECT_TRUE(
      call_and_reply("printf 'CPTR\\001\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000' >&3"));
}

TEST_F(HelperThat, WritesControlCharactersIntoItsMessageCannotForgeALogLine) {
  const auto status = call_and_reply(
      "printf 'CPTR\\001\\005\\000\\004a\\nb\\033\\000\\000\\000\\000\\000\\000\\000\\000' >&3");
  EXPECT_TRUE(unavailable(status, "a?b?"));
}

TEST_F(HelperThat, LooksAroundFindsNothingOfItsParent) {
  setenv("COPROTECT_TEST_VARIABLE", "secret", 1);
  setenv("SOFTHSM2_CONF", "/some/where", 1);
  const int open_descriptor = dup(0);
  ASSERT_GE(open_descriptor, 0);
  const std::string out = (scratch_ / "seen").string();
  EXPECT_TRUE(unavailable(call("/usr/bin/env > " + out + "; /bin/ls -l /proc/self/fd >> " + out +
                               "; echo arguments $# >> " + out),
                          "ended without a reply"));
  close(open_descriptor);
  const std::string report = seen("seen");
  EXPECT_EQ(report.find("COPROTECT_TEST_VARIABLE"), std::string::npos) << report;
  EXPECT_NE(report.find("SOFTHSM2_CONF=/some/where"), std::string::npos) << report;
  EXPECT_NE(report.find("TSS2_LOG=all+none"), std::string::npos) << report;
  EXPECT_EQ(report.find("HOME="), std::string::npos) << report;
  EXPECT_NE(report.find("0 -> /dev/null"), std::string::npos) << report;
  EXPECT_NE(report.find("3 -> socket:"), std::string::npos) << report;
  EXPECT_NE(report.find("arguments 0"), std::string::npos) << report;
  EXPECT_EQ(report.find("5 -> "), std::string::npos) << report;  // 4 is ls's own
}

}  // namespace
}  // namespace coprotect::hsm
