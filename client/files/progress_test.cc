#include "client/files/progress.h"

#include <gtest/gtest.h>

#include <thread>

namespace coprotect::client {
namespace {

// What is drawn for 250 bytes, and for 250 more after the first second, during which nothing is shown.
std::string drawn(std::uint64_t total, bool shown) {
  testing::internal::CaptureStderr();
  {
    Progress progress(total, shown);
    progress.add(250);
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    progress.add(250);
  }
  return testing::internal::GetCapturedStderr();
}

TEST(ProgressTest, IsDrawnAfterASecondAndTakenAway) {
  const std::string screen = drawn(1000, true);
  EXPECT_NE(screen.find("] 50 %"), std::string::npos) << screen;
  EXPECT_EQ(screen.find("25 %"), std::string::npos) << "drawn before the second was over";
  EXPECT_TRUE(screen.ends_with("\r\x1b[K")) << "the bar stays on the screen";
}

TEST(ProgressTest, ShowsNoPartOfWhatHasNoKnownEnd) {
  const std::string screen = drawn(0, true);
  EXPECT_NE(screen.find("MB/s"), std::string::npos) << screen;
  EXPECT_EQ(screen.find('%'), std::string::npos) << screen;
}

TEST(ProgressTest, IsSilentWithoutATerminal) {
  EXPECT_EQ(drawn(1000, false), "");
}

}  // namespace
}  // namespace coprotect::client
