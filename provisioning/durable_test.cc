#include "provisioning/durable.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(Durable, ReplacesAFileAndLeavesNothingBeside) {
  const harness::Scratch scratch;
  ASSERT_TRUE(write_durable(scratch / "file", bytes_of("old"), kPublicMode));
  ASSERT_TRUE(write_durable(scratch / "file", bytes_of("new"), kPrivateMode));
  EXPECT_EQ(text_of(*client::read_small_file(scratch / "file", kMaxFile)), "new");
  EXPECT_EQ(text_of(client::read_secret_file(scratch / "file", kMaxSecretFile)->reveal()), "new");
  struct stat info {};
  ASSERT_EQ(stat((scratch / "file").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(entries(scratch.path()), 1u);
}

TEST(Durable, SaysWhyAFileCannotBeWritten) {
  const harness::Scratch scratch;
  EXPECT_FALSE(write_durable(scratch / "no-folder/file", bytes_of("x"), kPublicMode));
}

TEST(Durable, RenamesAFolderOntoAnEmptyOneOnly) {
  const harness::Scratch scratch;
  ASSERT_TRUE(make_private_directory(scratch / "from"));
  ASSERT_TRUE(write_durable(scratch / "from/file", bytes_of("x"), kPublicMode));
  ASSERT_TRUE(make_private_directory(scratch / "empty"));
  ASSERT_TRUE(make_private_directory(scratch / "full"));
  ASSERT_TRUE(write_durable(scratch / "full/file", bytes_of("kept"), kPublicMode));
  EXPECT_FALSE(rename_durable(scratch / "from", scratch / "full"));
  EXPECT_EQ(text_of(*client::read_small_file(scratch / "full/file", kMaxFile)), "kept");
  EXPECT_TRUE(rename_durable(scratch / "from", scratch / "empty"));
  EXPECT_EQ(text_of(*client::read_small_file(scratch / "empty/file", kMaxFile)), "x");
}

TEST(Durable, AFolderIsLockedByOneAtATime) {
  const harness::Scratch scratch;
  auto first = DirectoryLock::acquire(scratch.path());
  ASSERT_TRUE(first);
  EXPECT_EQ(DirectoryLock::acquire(scratch.path()).error().code(), Code::conflict);
  { const DirectoryLock gone = std::move(*first); }
  EXPECT_TRUE(DirectoryLock::acquire(scratch.path()));
}

}  // namespace
}  // namespace coprotect::provisioning
