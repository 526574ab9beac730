#include "client/files/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "swtpm-tests/harness/scratch.h"

namespace coprotect::client {
namespace {

class OutputFileTest : public testing::Test {
 protected:
  std::string content(const std::string& name) const {
    std::ifstream in(folder_ / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  void put(const std::string& name, std::string_view text) const { std::ofstream(folder_ / name) << text; }

  const harness::Scratch scratch_;
  const std::filesystem::path folder_ = scratch_.path();
};

TEST_F(OutputFileTest, AppearsWhenItIsComplete) {
  auto file = OutputFile::create(folder_ / "x", false, 0640);
  ASSERT_TRUE(file) << file.error().message();
  ASSERT_TRUE(write_all(file->fd(), bytes_of("whole")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "x"));
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(content("x"), "whole");
  EXPECT_EQ(entries(), 1u);
  struct stat made {};
  ASSERT_EQ(stat((folder_ / "x").c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 07777, 0640u);
}

TEST_F(OutputFileTest, LeavesNothingBehind) {
  {
    auto file = OutputFile::create(folder_ / "x", false, 0600);
    ASSERT_TRUE(file);
    ASSERT_TRUE(write_all(file->fd(), bytes_of("half")));
  }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(OutputFileTest, KeepsAnExistingFile) {
  put("x", "old");
  const auto file = OutputFile::create(folder_ / "x", false, 0600);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), Code::conflict);
  EXPECT_EQ(content("x"), "old");
}

TEST_F(OutputFileTest, KeepsAFileMadeMeanwhile) {
  auto file = OutputFile::create(folder_ / "x", false, 0600);
  ASSERT_TRUE(file);
  put("x", "other");
  const auto committed = file->commit();
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code(), Code::conflict);
  EXPECT_EQ(content("x"), "other");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(OutputFileTest, ReplacesWhenTold) {
  put("x", "old");
  {
    auto file = OutputFile::create(folder_ / "x", true, 0600);
    ASSERT_TRUE(file);
    EXPECT_EQ(content("x"), "old");
  }
  EXPECT_EQ(content("x"), "old");
  auto file = OutputFile::create(folder_ / "x", true, 0600);
  ASSERT_TRUE(file);
  ASSERT_TRUE(write_all(file->fd(), bytes_of("new")));
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(content("x"), "new");
  EXPECT_EQ(entries(), 1u);
}

// A file that took the name after the last check is newer, and must not be replaced.
TEST_F(OutputFileTest, ReplacesNoFileButTheOneThatItWasMadeFrom) {
  put("x", "old");
  const Fd old(open((folder_ / "x").c_str(), O_RDONLY | O_CLOEXEC));
  auto file = OutputFile::create(folder_ / "x", true, 0600);
  ASSERT_TRUE(file);
  ASSERT_TRUE(write_all(file->fd(), bytes_of("changed")));
  put("y", "newer");
  std::filesystem::rename(folder_ / "y", folder_ / "x");
  {
    auto late = *std::move(file);
    const auto refused = late.commit_in_place_of(old.get());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::conflict);
  }
  EXPECT_EQ(content("x"), "newer");
  EXPECT_EQ(entries(), 1u);

  const Fd newer(open((folder_ / "x").c_str(), O_RDONLY | O_CLOEXEC));
  auto again = OutputFile::create(folder_ / "x", true, 0600);
  ASSERT_TRUE(again);
  ASSERT_TRUE(write_all(again->fd(), bytes_of("changed")));
  ASSERT_TRUE(again->commit_in_place_of(newer.get()));
  EXPECT_EQ(content("x"), "changed");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(OutputFileTest, NeverReplacesAFolder) {
  EXPECT_FALSE(OutputFile::create(folder_, true, 0600));
}

TEST_F(OutputFileTest, SaysThatThereIsNoFolder) {
  const auto file = OutputFile::create(folder_ / "none" / "x", false, 0600);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), Code::not_found);
}

}  // namespace
}  // namespace coprotect::client
