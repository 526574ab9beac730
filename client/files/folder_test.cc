#include "client/files/folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <thread>

#include "client/files/input.h"
#include "client/files/target.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::client {
namespace {

namespace fs = std::filesystem;

// A tree "out" that the user named, and beside it "elsewhere", where no file may arrive.
class FolderTest : public testing::Test {
 protected:
  FolderTest() {
    fs::create_directories(out_);
    fs::create_directories(elsewhere_);
    std::ofstream(elsewhere_ / "file") << "not theirs";
  }
  PlaceInTree place(const std::string& relative) const { return {.tree = tree_, .relative = relative}; }
  // Writes a file into the tree as decrypt -r does.
  Status put(const std::string& relative, bool overwrite = false) const {
    if (auto free = Target::available(place(relative), overwrite); !free) return free;
    auto target = Target::open(place(relative), overwrite, 0600);
    if (!target) return std::move(target).error();
    if (auto written = write_all(target->fd(), bytes_of("content")); !written) return written;
    return target->finish();
  }
  static std::string content(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  testing::AssertionResult nothing_elsewhere() const {
    for (const auto& entry : fs::directory_iterator(elsewhere_))
      if (entry.path().filename() != "file") return testing::AssertionFailure() << entry.path();
    if (content(elsewhere_ / "file") != "not theirs") return testing::AssertionFailure() << "file changed";
    return testing::AssertionSuccess();
  }

  const harness::Scratch scratch_;
  const fs::path out_ = scratch_.path() / "out";
  const fs::path elsewhere_ = scratch_.path() / "elsewhere";
  const std::shared_ptr<Tree> tree_ = std::make_shared<Tree>(out_);
};

TEST_F(FolderTest, IsMadeWhereThereIsNone) {
  fs::remove(out_);
  EXPECT_TRUE(put("a/b/c"));
  EXPECT_TRUE(put("d"));
  EXPECT_EQ(content(out_ / "a/b/c"), "content");
  EXPECT_EQ(content(out_ / "d"), "content");
}

TEST_F(FolderTest, OfATreeIsNeverReachedThroughALink) {
  fs::create_directory_symlink(elsewhere_, out_ / "absolute");
  fs::create_directory_symlink("../elsewhere", out_ / "relative");
  fs::create_directory_symlink("inside", out_ / "within");
  fs::create_directories(out_ / "inside");
  fs::create_directory_symlink("../nowhere", out_ / "dangling");
  fs::create_symlink("../elsewhere/file", out_ / "to-a-file");
  for (const char* const link : {"absolute", "relative", "within", "dangling", "to-a-file"}) {
    for (const bool overwrite : {false, true}) {
      const auto done = put(std::string(link) + "/x", overwrite);
      ASSERT_FALSE(done) << link;
      EXPECT_EQ(done.error().code(), Code::conflict);
      EXPECT_EQ(done.error().message(),
                "\"" + (out_ / link).string() + "\" is a symbolic link, which is not followed");
    }
    EXPECT_FALSE(put(std::string(link) + "/deeper/x"));
  }
  EXPECT_TRUE(nothing_elsewhere());
  EXPECT_TRUE(fs::is_empty(out_ / "inside"));
  EXPECT_FALSE(fs::exists(scratch_.path() / "nowhere"));
}

TEST_F(FolderTest, HasFilesThatReplaceLinksInsteadOfFollowingThem) {
  for (const char* const target : {"../elsewhere/file", "../elsewhere/new", "../elsewhere"}) {
    fs::create_symlink(target, out_ / "x");
    const auto kept = put("x");
    ASSERT_FALSE(kept);
    EXPECT_EQ(kept.error().code(), Code::conflict);
    EXPECT_TRUE(put("x", true));
    EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(out_ / "x")));
    fs::remove(out_ / "x");
  }
  EXPECT_TRUE(nothing_elsewhere());
}

TEST_F(FolderTest, HasNothingWrittenIntoAPipeThatNobodyNamed) {
  ASSERT_EQ(mkfifo((out_ / "pipe").c_str(), 0600), 0);
  EXPECT_FALSE(put("pipe"));
  EXPECT_TRUE(put("pipe", true));
  EXPECT_EQ(content(out_ / "pipe"), "content");
}

TEST_F(FolderTest, ThatWasNamedMayItselfBeALink) {
  fs::create_directory_symlink("out", scratch_.path() / "named");
  const PlaceInTree place{.tree = std::make_shared<Tree>(scratch_.path() / "named"), .relative = "a/x"};
  auto target = Target::open(place, false, 0600);
  ASSERT_TRUE(target) << target.error().message();
  EXPECT_TRUE(target->finish());
  EXPECT_TRUE(fs::exists(out_ / "a/x"));
}

TEST_F(FolderTest, IsNotLeftUpwards) {
  for (const char* const path : {"../elsewhere/x", "a/../../elsewhere/x", "/elsewhere/x"})
    EXPECT_EQ(put(path).error().code(), Code::malformed) << path;
  EXPECT_TRUE(nothing_elsewhere());
}

TEST_F(FolderTest, StaysTheOneThatWasOpened) {
  ASSERT_TRUE(put("sub/a"));
  auto target = Target::open(place("sub/b"), false, 0600);
  ASSERT_TRUE(target);
  fs::rename(out_ / "sub", out_ / "moved");
  fs::create_directory_symlink(elsewhere_, out_ / "sub");
  EXPECT_TRUE(target->finish());
  EXPECT_TRUE(fs::exists(out_ / "moved/b"));
  // Also the tree itself.
  fs::rename(out_, scratch_.path() / "away");
  fs::create_directory_symlink("elsewhere", out_);
  EXPECT_TRUE(put("c"));
  EXPECT_TRUE(fs::exists(scratch_.path() / "away/c"));
  EXPECT_TRUE(nothing_elsewhere());
}

// "sub" alternates between a folder and a link out of the tree while files are written to it.
TEST_F(FolderTest, IsNotReachedThroughALinkMadeMeanwhile) {
  fs::create_directories(out_ / "sub/deeper");
  fs::create_directories(elsewhere_ / "deeper");
  fs::create_directory_symlink(elsewhere_, out_ / "link");
  std::atomic<bool> over = false;
  std::jthread turns([&] {
    while (!over)
      renameat2(AT_FDCWD, (out_ / "sub").c_str(), AT_FDCWD, (out_ / "link").c_str(), RENAME_EXCHANGE);
  });
  int written = 0;
  int refused = 0;
  for (int i = 0; i < 20'000 && (i < 2'000 || written == 0 || refused == 0); ++i) {
    const std::string name = "sub/deeper/" + std::to_string(i);
    const auto done = put(name);
    EXPECT_TRUE(done || done.error().code() == Code::conflict) << done.error().message();
    ++(done ? written : refused);
  }
  over = true;
  turns.join();
  EXPECT_GT(written, 0);
  EXPECT_GT(refused, 0);
  EXPECT_TRUE(fs::is_empty(elsewhere_ / "deeper"));
}

TEST_F(FolderTest, HasInputsThatAreReadAsTheyWereListed) {
  std::ofstream(out_ / "x") << "content";
  EXPECT_TRUE(Input::open(place("x")));
  fs::create_symlink("../elsewhere/file", out_ / "link");
  fs::create_directory_symlink("../elsewhere", out_ / "sub");
  ASSERT_EQ(mkfifo((out_ / "pipe").c_str(), 0600), 0);
  for (const char* const name : {"link", "sub/file", "pipe"}) {
    const auto input = Input::open(place(name));
    ASSERT_FALSE(input) << name;
    EXPECT_EQ(input.error().code(), Code::conflict);
  }
  EXPECT_EQ(Input::open(place("none")).error().code(), Code::not_found);
}

}  // namespace
}  // namespace coprotect::client
