#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hsm/pkcs11/test_token_copy.h"
#include "hsm/pkcs11/token_copy.h"

// Files in a token's folder beside its intact ones: leftovers of killed helpers, and files of other users and
// programs.
namespace coprotect::hsm::pkcs11 {
namespace {

// Wherever a helper that makes a root is killed: once the root is erased, no file contains it, not even one
// that was being written.
TEST_F(SoftTokenCopy, LeavesNothingOfARootWhoseMakerWasKilled) {
  const SealedKey key = sealed();
  const auto before = objects();
  bool some_left_over = false;
  for (int point = 1;; ++point) {
    SCOPED_TRACE(point);
    ASSERT_LT(point, 40);
    const bool made = bool(dying(std::to_string(point)).make_root(root_id(1)));
    const std::string content = new_object(before);
    some_left_over = some_left_over || !left_over().empty();
    must(token().destroy_root(root_id(1)));
    EXPECT_TRUE(content.empty() || !is_anywhere(content));
    EXPECT_TRUE(left_over().empty());
    EXPECT_TRUE(token().unseal(key.sealed));
    if (made) break;  // it has no such point
  }
  EXPECT_TRUE(some_left_over);
}

TEST_F(SoftTokenCopy, LeavesNothingOfARootWhoseEraserWasKilled) {
  const SealedKey key = sealed();
  const auto before = objects();
  for (int point = 1;; ++point) {
    SCOPED_TRACE(point);
    ASSERT_LT(point, 40);
    must(token().make_root(root_id(1)));
    const std::string content = new_object(before);
    ASSERT_FALSE(content.empty());
    const bool destroyed = bool(dying(std::to_string(point)).destroy_root(root_id(1)));
    must(token().destroy_root(root_id(1)));
    EXPECT_FALSE(is_anywhere(content));
    EXPECT_TRUE(left_over().empty());
    fs::resize_file(token_file(), 0);
    EXPECT_TRUE(token().unseal(key.sealed));
    if (destroyed) break;
  }
}

// The helper dies while it restores the file that contains the root.
TEST_F(SoftTokenCopy, LeavesNothingOfARootAfterAKillWhileItIsPutBack) {
  const SealedKey key = sealed();
  const auto before = objects();
  for (int point = 1;; ++point) {
    SCOPED_TRACE(point);
    ASSERT_LT(point, 40);
    must(token().make_root(root_id(1)));
    const std::string content = new_object(before);
    fs::resize_file(token_file(), 0);
    const bool opened = bool(dying(std::to_string(point)).unseal(key.sealed));
    must(token().destroy_root(root_id(1)));
    EXPECT_FALSE(is_anywhere(content));
    EXPECT_TRUE(left_over().empty());
    if (opened) break;
  }
}

// The remaining copy is the last one with the object.
TEST_F(SoftTokenCopy, OfWholeFilesIsNotReplacedByOneOfDamagedFiles) {
  const SealedKey key = sealed();
  const auto before = objects();
  const auto root = must(token().make_root(root_id(1)));
  const std::string copied = read_file(copy_file());
  fs::path object;
  for (const fs::path& file : objects())
    if (std::ranges::find(before, file) == before.end()) object = file;
  const auto kept = keep_soft_token(must(SoftToken::read(files())).serial(), false, [] { return Done{}; });
  ASSERT_TRUE(kept);
  EXPECT_EQ(read_file(copy_file()), copied);
  fs::resize_file(object, 0);
  const auto refused = keep_soft_token(must(SoftToken::read(files())).serial(), false, [] { return Done{}; });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::unavailable);
  EXPECT_EQ(read_file(copy_file()), copied);
  EXPECT_TRUE(token().unseal(root.sealed));
}

// Another program is using the token, and may be erasing what this copy contains.
TEST_F(SoftTokenCopy, IsNotPutBackWhileAnotherProgramHasTheTokensLock) {
  const SealedKey key = sealed();
  const std::string serial = must(SoftToken::read(files())).serial();
  {
    const Fd lock = lock_soft_token(serial);
    ASSERT_TRUE(lock);
    fs::resize_file(token_file(), 0);
    const auto failed = put_back_damaged_soft_tokens();
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(failed.front().serial, serial);
    EXPECT_EQ(failed.front().why.code(), Code::unavailable);
    EXPECT_TRUE(read_file(token_file()).empty());
  }
  EXPECT_TRUE(token().unseal(key.sealed));
}

// Another token's failure does not affect this one.
TEST_F(SoftTokenCopy, OfAnotherTokenThatCannotBePutBackStopsNothing) {
  const SealedKey key = sealed();
  const fs::path other = files().parent_path() / "other";
  fs::copy(files(), other);
  SoftToken foreign = copy();
  Bytes& content = foreign.files.at(SoftToken::kTokenFile);
  const std::string serial = foreign.serial();
  const auto at = std::ranges::search(content, bytes_of(serial));
  ASSERT_FALSE(at.empty());
  at.front() ^= 1;
  write_file(other / ".coprotect-copy", std::string(text_of(foreign.encode())));
  fs::permissions(other / ".coprotect-copy", fs::perms(0600));
  fs::resize_file(other / SoftToken::kTokenFile, 0);
  const Fd lock(::open(other.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(flock(lock.get(), LOCK_EX), 0);
  EXPECT_TRUE(token().unseal(key.sealed));
  EXPECT_TRUE(read_file(other / SoftToken::kTokenFile).empty());
}

// Links may lead out of the folder.
TEST_F(SoftTokenCopy, NeitherFollowsLinksNorWipesWhereTheyLead) {
  const SealedKey key = sealed();
  const fs::path victim = scratch_ / "victim";
  fs::create_directory(victim);
  write_file(victim / "precious", "precious");
  fs::create_directory_symlink(victim, files() / ".coprotect-check");
  fs::create_symlink(victim / "precious", files() / "..coprotect-copy.AAAAAA");
  fs::create_symlink(victim / "precious", files() / ".coprotect-damaged-20260101T000000Z");
  must(token().make_root(root_id(1)));
  must(token().destroy_root(root_id(1)));
  EXPECT_EQ(read_file(victim / "precious"), "precious");
  EXPECT_EQ(std::distance(fs::directory_iterator(victim), fs::directory_iterator()), 1);
  EXPECT_TRUE(left_over().empty());
  // A token's folder that is itself a link.
  fs::copy(files(), scratch_ / "elsewhere");
  const std::string copied = read_file(copy_file());
  fs::create_directory_symlink(scratch_ / "elsewhere", files().parent_path() / "a-link");
  fs::resize_file(scratch_ / "elsewhere" / SoftToken::kTokenFile, 0);
  static_cast<void>(token().unseal(key.sealed));
  EXPECT_TRUE(read_file(scratch_ / "elsewhere" / SoftToken::kTokenFile).empty());
}

// Root's commands use the token of the agent's user, who may have put anything into its folder.
TEST_F(SoftTokenCopy, OfAnotherUserIsLeftAlone) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  constexpr uid_t kNobody = 65534;
  const SealedKey key = sealed();
  const auto root = must(token().make_root(root_id(1)));
  const fs::path victim = scratch_ / "victim";
  fs::create_directory(victim);
  write_file(victim / "precious", "precious");
  const fs::path own = files();
  fs::create_directory_symlink(victim, own / ".coprotect-check");
  const std::string copied = read_file(copy_file());
  const fs::path other = own.parent_path() / "0-other";
  fs::copy(own, other, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  fs::resize_file(other / SoftToken::kTokenFile, 0);
  ASSERT_EQ(chown(own.c_str(), kNobody, kNobody), 0);
  ASSERT_EQ(chown(other.c_str(), kNobody, kNobody), 0);
  EXPECT_TRUE(token().unseal(key.sealed));
  must(token().seal_new_key());
  EXPECT_EQ(read_file(victim / "precious"), "precious");
  EXPECT_EQ(std::distance(fs::directory_iterator(victim), fs::directory_iterator()), 1);
  EXPECT_TRUE(fs::is_symlink(own / ".coprotect-check"));
  EXPECT_EQ(read_file(own / ".coprotect-copy"), copied);
  EXPECT_TRUE(read_file(other / SoftToken::kTokenFile).empty());
  // The erasure is not acknowledged while the other user's copy still contains the root.
  const auto erased = token().destroy_root(root_id(1));
  ASSERT_FALSE(erased);
  EXPECT_NE(erased.error().message().find("is another user's"), std::string::npos)
      << erased.error().message();
}

// Another user could replace it by a link.
TEST_F(SoftTokenCopy, OfRootIsMadeOnlyWhereNobodyElseWrites) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const fs::path tokens = files().parent_path();
  fs::permissions(tokens, fs::perms(0770));
  must(token().seal_new_key());
  EXPECT_FALSE(fs::exists(copy_file()));
  fs::permissions(tokens, fs::perms(01770));
  must(token().seal_new_key());
  EXPECT_TRUE(fs::exists(copy_file()));
}

// Then it is unknown whether the copy contains the root.
TEST_F(SoftTokenCopy, IsNotTakenForNoneIfTheConfigurationCannotBeRead) {
  const SealedKey key = sealed();
  const std::string serial = must(SoftToken::read(files())).serial();
  ASSERT_EQ(setenv("SOFTHSM2_CONF", scratch_.path().c_str(), 1), 0);  // a folder
  for (const bool erases : {false, true}) {
    const auto kept = keep_soft_token(serial, erases, [] { return Done{}; });
    ASSERT_FALSE(kept);
    EXPECT_EQ(kept.error().code(), Code::unavailable);
  }
  device_.use();
}

}  // namespace
}  // namespace coprotect::hsm::pkcs11
