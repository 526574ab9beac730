#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "hsm/pkcs11/test_token_copy.h"

// What happens to a SoftHSM2 token whose files are lost while it is in use.
namespace coprotect::hsm::pkcs11 {
namespace {

TEST_F(SoftTokenCopy, IsMadeWhenTheTokenChanges) {
  const Token device = token();
  const SealedKey key = must(device.seal_new_key());
  EXPECT_EQ(device.notice(), "");
  ASSERT_TRUE(fs::exists(copy_file()));
  struct stat about {};
  ASSERT_EQ(stat(copy_file().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0600U);
  EXPECT_TRUE(copy().same_as(must(SoftToken::read(files()))));
  // Not copied without a change: a login alone raises a counter.
  const std::string before = read_file(copy_file());
  const std::string token_before = read_file(token_file());
  must(device.unseal(key.sealed));
  EXPECT_NE(read_file(token_file()), token_before);
  EXPECT_EQ(read_file(copy_file()), before);
  must(device.make_root(root_id(1)));
  EXPECT_NE(read_file(copy_file()), before);
  EXPECT_FALSE(fs::exists(files() / ".coprotect-check"));
}

// The state after a kill within C_Login.
TEST_F(SoftTokenCopy, IsPutBackIfTheTokensFileIsEmpty) {
  const Token device = token();
  const SealedKey key = must(device.seal_new_key());
  fs::resize_file(token_file(), 0);
  const auto opened = device.unseal(key.sealed);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_TRUE(equal_in_constant_time(*opened, key.key));
  EXPECT_NE(device.notice().find("were damaged and were put back"), std::string::npos) << device.notice();
  ASSERT_EQ(kept_aside().size(), 1U);
  const auto damaged = must(SoftToken::parse(bytes_of(read_file(kept_aside().front()))));
  EXPECT_TRUE(damaged.files.at(SoftToken::kTokenFile).empty());
  // Later processes report it, too, until the operator removes the damaged files.
  const Token later = token();
  must(later.unseal(key.sealed));
  EXPECT_NE(later.notice(), "");
  fs::remove_all(kept_aside().front());
  must(later.unseal(key.sealed));
  EXPECT_EQ(later.notice(), "");
}

// The state after the disk became full.
TEST_F(SoftTokenCopy, IsPutBackIfAFileIsCutOff) {
  const SealedKey key = sealed();
  ASSERT_EQ(objects().size(), 1U);
  for (const fs::path& file : {token_file(), objects().front()})
    for (const std::uintmax_t keep : {0U, 5U, 8U, 40U, 72U, 200U, 300U}) {
      fs::resize_file(file, keep);
      const auto opened = token().unseal(key.sealed);
      EXPECT_TRUE(opened) << file << ", " << keep << " bytes: " << opened.error().message();
    }
}

TEST_F(SoftTokenCopy, IsPutBackForAProbe) {
  static_cast<void>(sealed());
  fs::resize_file(token_file(), 0);
  const auto answers = token().probe();
  EXPECT_TRUE(answers) << answers.error().message();
}

TEST_F(SoftTokenCopy, HasNothingToDoWithAWrongPin) {
  const SealedKey key = sealed();
  const std::string before = read_file(copy_file());
  write_file(device_.pin_file(), "314159\n");
  const auto refused = token().unseal(key.sealed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::wrong_code);
  EXPECT_TRUE(kept_aside().empty());
  EXPECT_EQ(read_file(copy_file()), before);
}

// Does not restore what was removed: a token, or an object that was destroyed just before a kill.
TEST_F(SoftTokenCopy, BringsBackNothingThatIsGone) {
  const SealedKey key = sealed();
  device_.remove();
  EXPECT_FALSE(token().unseal(key.sealed));
  EXPECT_TRUE(fs::is_empty(scratch_ / "token" / "tokens"));
  device_.restore();
  const auto before = objects();
  const auto root = must(token().make_root(root_id(1)));
  for (const fs::path& object : objects())
    if (std::ranges::find(before, object) == before.end()) fs::remove(object);
  must(token().unseal(key.sealed));
  EXPECT_EQ(objects(), before);
  EXPECT_TRUE(kept_aside().empty());
  EXPECT_FALSE(token().unseal(root.sealed));
}

// A file system that lost a root's file would take it from the copy, too, if the next use of the token
// renewed that.
TEST_F(SoftTokenCopy, KeepsWhatTheTokenLost) {
  const SealedKey key = sealed();
  const auto before = objects();
  const auto root = must(token().make_root(root_id(1)));
  fs::path file;
  for (const fs::path& object : objects())
    if (std::ranges::find(before, object) == before.end()) file = object;
  const std::string content = read_file(file);
  fs::remove(file);
  const Token device = token();
  must(device.unseal(key.sealed));
  EXPECT_NE(device.notice().find("the software token lacks 1 of the objects"), std::string::npos)
      << device.notice();
  EXPECT_FALSE(token().unseal(root.sealed));
  must(token().make_root(root_id(2)));
  EXPECT_TRUE(is_kept(content.substr(8)));
  write_file(file, content);
  EXPECT_TRUE(token().unseal(root.sealed));
}

TEST_F(SoftTokenCopy, HasNoRootThatWasErased) {
  const SealedKey key = sealed();
  const auto before = objects();
  const auto root = must(token().make_root(root_id(1)));
  std::string content;
  for (const fs::path& object : objects())
    if (std::ranges::find(before, object) == before.end()) content = read_file(object).substr(8);
  ASSERT_FALSE(content.empty());
  EXPECT_TRUE(is_kept(content));
  fs::resize_file(token_file(), 0);
  EXPECT_TRUE(token().unseal(root.sealed));
  EXPECT_FALSE(kept_aside().empty());  // with the root in it

  must(token().destroy_root(root_id(1)));
  EXPECT_FALSE(is_kept(content));
  EXPECT_TRUE(kept_aside().empty());
  fs::resize_file(token_file(), 0);
  EXPECT_TRUE(token().unseal(key.sealed));
  EXPECT_FALSE(token().unseal(root.sealed));
}

// An erasure that left something in the copy is not acknowledged, and is completed when requested again.
TEST_F(SoftTokenCopy, IsRenewedBeforeAnErasureIsAcknowledged) {
  const SealedKey key = sealed();
  const auto root = must(token().make_root(root_id(1)));
  const std::string before = read_file(copy_file());
  // Nothing can replace the copy.
  fs::remove(copy_file());
  fs::create_directories(copy_file() / "in the way");
  EXPECT_FALSE(token().destroy_root(root_id(1)));
  EXPECT_FALSE(token().make_root(root_id(2)));
  // Sealed keys still open, and the operator is told.
  const Token device = token();
  EXPECT_TRUE(device.unseal(key.sealed));
  EXPECT_NE(device.notice().find("the software token has no copy: "), std::string::npos) << device.notice();
  fs::remove_all(copy_file());
  write_file(copy_file(), before);
  fs::permissions(copy_file(), fs::perms(0600));
  must(token().destroy_root(root_id(1)));
  EXPECT_NE(read_file(copy_file()), before);
  fs::resize_file(token_file(), 0);
  EXPECT_FALSE(token().unseal(root.sealed));
  EXPECT_TRUE(token().unseal(key.sealed));
}

// Tokens in a database are not copied.
TEST_F(SoftTokenCopy, IsOfTokensThatAreFoundInFiles) {
  const auto other = scratch_ / "other.conf";
  std::string configuration = read_file(device_.configuration());
  configuration.replace(configuration.find(" = file"), 7, " = db");
  write_file(other, configuration);
  ASSERT_EQ(setenv("SOFTHSM2_CONF", other.c_str(), 1), 0);
  EXPECT_EQ(must(soft_tokens()), std::nullopt);
  ASSERT_EQ(unsetenv("SOFTHSM2_CONF"), 0);
  device_.use();
  EXPECT_EQ(must(soft_tokens()), scratch_ / "token" / "tokens");
}

TEST_F(SoftTokenCopy, FollowsANewPin) {
  const SealedKey key = sealed();
  const auto module = device_.uri().substr(device_.uri().find("module-path=") + 12);
  const auto changed =
      harness::Command(harness::installed_program("pkcs11-tool"))
          .args({"--module", module.substr(0, module.find('&')), "--token-label", "coprotect", "--login",
                 "--pin", "271828", "--change-pin", "--new-pin", "161803"})
          .env("SOFTHSM2_CONF=" + device_.configuration().string())
          .run();
  ASSERT_EQ(changed.exit_code, 0) << changed.err;
  write_file(device_.pin_file(), "161803\n");
  EXPECT_TRUE(token().unseal(key.sealed));
  fs::resize_file(token_file(), 0);
  EXPECT_TRUE(token().unseal(key.sealed));
}

TEST_F(SoftTokenCopy, ThatIsDamagedTooSaysHowTheAgentIsRestored) {
  const SealedKey key = sealed();
  fs::resize_file(token_file(), 0);
  fs::resize_file(copy_file(), 100);
  for (const auto& failed : {token().unseal(key.sealed), Result<Secret>(token().probe().error())}) {
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code(), Code::altered);
    for (const char* const part : {"token.object: it is empty", "there is no copy of it",
                                   "coprotect-provision restore", "docs/runbooks/company-lost.md"})
      EXPECT_NE(failed.error().message().find(part), std::string::npos) << failed.error().message();
  }
}

// A damaged copy of an intact token is replaced.
TEST_F(SoftTokenCopy, ThatIsDamagedAloneIsMadeAgain) {
  const SealedKey key = sealed();
  fs::resize_file(copy_file(), 100);
  must(token().unseal(key.sealed));
  fs::resize_file(token_file(), 0);
  EXPECT_TRUE(token().unseal(key.sealed));
}

TEST_F(SoftTokenCopy, OutlivesHelpersThatAreKilled) {
  using Clock = std::chrono::steady_clock;
  const SealedKey key = sealed();
  const auto begun = Clock::now();
  must(token().unseal(key.sealed));
  const auto takes = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun);
  std::mt19937 random(1);
  int killed = 0;
  for (int i = 0; i < 200 && killed < 30; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      static_cast<void>(token().unseal(key.sealed));
      _exit(0);
    }
    pid_t helper = -1;
    while ((helper = harness::child_of(child, "coprotect-token")) <= 0 && is_running(child))
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::microseconds(static_cast<long>(random()) % takes.count()));
    helper = harness::child_of(child, "coprotect-token");
    if (helper > 0 && kill(helper, SIGKILL) == 0) ++killed;
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    const auto opened = token().unseal(key.sealed);
    ASSERT_TRUE(opened) << "kill " << killed << ": " << opened.error().message();
  }
  EXPECT_EQ(killed, 30);
}

TEST_F(SoftTokenCopy, IsPutBackWithTheModeThatTheFileHad) {
  const SealedKey key = sealed();
  fs::permissions(token_file(), fs::perms(0640));
  fs::resize_file(token_file(), 0);
  must(token().unseal(key.sealed));
  EXPECT_EQ(fs::status(token_file()).permissions(), fs::perms(0640));
}

TEST(SoftTokenFiles, AreReadAsTheyWereWritten) {
  SoftToken token{.folder = "6e8ac3c8-abc9-bf14-ae22-d41386fd69de",
                  .files = {{"generation", Bytes(8, 1)}, {"token.object", Bytes{0, 0, 0, 0, 0, 0, 0, 1}}}};
  const Bytes encoded = token.encode();
  const auto again = must(SoftToken::parse(encoded));
  EXPECT_EQ(again.folder, token.folder);
  EXPECT_EQ(again.files, token.files);
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    Bytes flipped = encoded;
    flipped[i] ^= 1;
    EXPECT_FALSE(SoftToken::parse(flipped)) << i;
    EXPECT_FALSE(SoftToken::parse(ByteView(encoded).first(i))) << i;
  }
  for (const std::string name : {"../token.object", "a/b", "", ".hidden"}) {
    SoftToken hostile = token;
    hostile.files.emplace(name, Bytes{});
    EXPECT_FALSE(SoftToken::parse(hostile.encode())) << name;
    hostile = token;
    hostile.folder = name;
    EXPECT_FALSE(SoftToken::parse(hostile.encode())) << name;
  }
}

}  // namespace
}  // namespace coprotect::hsm::pkcs11
