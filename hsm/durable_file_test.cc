#include "hsm/durable_file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::hsm {
namespace {

constexpr std::string_view kContent = "content of the file";

// Writes in a child that dies at its N-th fault point (0: at none), and returns whether it died there.
bool killed_while_writing(const std::filesystem::path& file, int fault_point) {
  const pid_t child = fork();
  if (child == 0) {
    setenv("COPROTECT_FAULT_AT", std::to_string(fault_point).c_str(), 1);
    _exit(write_new_file(file, bytes_of(kContent)) ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
  return WIFSIGNALED(status);
}

// Must come first: a process that has passed a fault point has already read its environment.
TEST(WriteNewFile, KilledAnywhereItLeavesNoFileOrAWholeOne) {
  int fault_point = 1;
  for (bool killed = true; killed; ++fault_point) {
    const harness::Scratch scratch;
    killed = killed_while_writing(scratch / "file", fault_point);
    if (!std::filesystem::exists(scratch / "file")) {
      // A leftover file does not block the next attempt.
      EXPECT_TRUE(killed);
      EXPECT_FALSE(killed_while_writing(scratch / "file", 0));
    }
    EXPECT_EQ(harness::read_file(scratch / "file"), kContent);
  }
  EXPECT_GT(fault_point, 3);
}

TEST(WriteNewFile, IsReadAsItWasWritten) {
  const harness::Scratch scratch;
  ASSERT_TRUE(write_new_file(scratch / "file", bytes_of(kContent)));
  const auto content = read_file(scratch / "file", kContent.size());
  ASSERT_TRUE(content);
  EXPECT_EQ(text_of(*content), kContent);
  const auto too_long = read_file(scratch / "file", kContent.size() - 1);
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().code(), Code::altered);
}

TEST(ReadFile, ReadsRegularFilesOnly) {
  const harness::Scratch scratch;
  harness::write_file(scratch / "file", kContent);
  std::filesystem::create_symlink(scratch / "file", scratch / "link");
  ASSERT_EQ(mkfifo((scratch / "fifo").c_str(), 0600), 0);
  for (const char* const name : {"link", "fifo", "."}) {
    const auto content = read_file(scratch / name, kContent.size());
    ASSERT_FALSE(content) << name;
    EXPECT_EQ(content.error().code(), Code::altered) << name;
  }
  EXPECT_EQ(read_file(scratch / "missing", 1).error().code(), Code::not_found);
}

TEST(CheckNoLink, TellsAFolderFromALinkToOne) {
  const harness::Scratch scratch;
  std::filesystem::create_directory_symlink(scratch.path(), scratch / "link");
  EXPECT_TRUE(check_no_link(scratch.path()));
  EXPECT_EQ(check_no_link(scratch / "link").error().code(), Code::altered);
  EXPECT_EQ(check_no_link(scratch / "missing").error().code(), Code::not_found);
}

TEST(WriteNewFile, NeverReplaces) {
  const harness::Scratch scratch;
  harness::write_file(scratch / "file", "old");
  const auto written = write_new_file(scratch / "file", bytes_of(kContent));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), Code::conflict);
  EXPECT_EQ(harness::read_file(scratch / "file"), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch.path()), {}), 1);
}

TEST(WriteNewFile, SaysWhereItCannotWrite) {
  const auto written = write_new_file("/nowhere/file", bytes_of(kContent));
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message().find("/nowhere/file"), std::string::npos);
}

}  // namespace
}  // namespace coprotect::hsm
