#include "agent/log.h"

#include <gtest/gtest.h>

namespace coprotect::agent {
namespace {

TEST(Log, WritesALineWithJournaldsPriority) {
  testing::internal::CaptureStderr();
  log_error("broken");
  log_warning("odd");
  log_info("fine, {} %s as it stands");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "<3>broken\n<4>odd\n<6>fine, {} %s as it stands\n");
}

// Untrusted text cannot add a line to the log.
TEST(Log, ReplacesControlCharacters) {
  testing::internal::CaptureStderr();
  log_info(std::string_view("a\n<3>forged\r\t\x1b[2J\x7f\0b", 20));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "<6>a?<3>forged???[2J??b\n");
}

}  // namespace
}  // namespace coprotect::agent
