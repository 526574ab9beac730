#include "hsm/keyring.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "protocol/base/random.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::hsm {
namespace {

class KeyringOnATpm : public testing::Test {
 protected:
  Token token(const harness::SoftTpm& tpm) const {
    return Token({.uri = tpm.uri(), .helper = COPROTECT_TOKEN});
  }
  Result<Keyring> create() const { return Keyring::create(token(tpm_), file(), system_random()); }
  Result<Keyring> open() const { return Keyring::open(token(tpm_), file()); }
  std::filesystem::path file() const { return scratch_ / "keyring"; }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(scratch_.path()), {}));
  }

  harness::Scratch scratch_;
  harness::SoftTpm tpm_{scratch_ / "tpm"};
};

Secret secret_of(std::string_view text) {
  return Secret::copy_of(bytes_of(text));
}

TEST_F(KeyringOnATpm, OpensAsItWasMade) {
  const auto made = create();
  ASSERT_TRUE(made) << made.error().message();
  const auto opened = open();
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->identity().public_key(), made->identity().public_key());
  EXPECT_EQ(opened->token_name(), made->token_name());
  EXPECT_EQ(opened->token_name(), token(tpm_).seal_new_key()->name);
  EXPECT_EQ(opened->mac(bytes_of("row")), made->mac(bytes_of("row")));
  EXPECT_NE(opened->mac(bytes_of("row")), made->mac(bytes_of("another row")));
  const Bytes wrapped = made->wrap("invitation:1", secret_of("secret"), system_random());
  const auto unwrapped = opened->unwrap("invitation:1", wrapped);
  ASSERT_TRUE(unwrapped) << unwrapped.error().message();
  EXPECT_TRUE(equal_in_constant_time(*unwrapped, secret_of("secret")));
}

TEST_F(KeyringOnATpm, TwoAreDifferent) {
  const auto one = create();
  ASSERT_TRUE(one) << one.error().message();
  const auto two = Keyring::create(token(tpm_), scratch_ / "second", system_random());
  ASSERT_TRUE(two) << two.error().message();
  EXPECT_FALSE(one->identity().public_key() == two->identity().public_key());
  EXPECT_NE(one->mac(bytes_of("row")), two->mac(bytes_of("row")));
  EXPECT_FALSE(two->unwrap("x", one->wrap("x", secret_of("secret"), system_random())));
}

TEST_F(KeyringOnATpm, IsPrivateAndAloneInItsFolder) {
  const std::size_t before = files();
  ASSERT_TRUE(create());
  EXPECT_EQ(files(), before + 1);
  struct stat status {};
  ASSERT_EQ(stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(KeyringOnATpm, IsNeverReplaced) {
  ASSERT_TRUE(create());
  const std::string content = harness::read_file(file());
  const auto again = create();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Code::conflict);
  EXPECT_EQ(harness::read_file(file()), content);
}

TEST_F(KeyringOnATpm, IsNotMadeWithoutItsToken) {
  tpm_.kill();
  const auto made = create();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Code::unavailable);
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(KeyringOnATpm, IsRefusedWithAnyByteChangedAddedOrMissing) {
  ASSERT_TRUE(create());
  const std::string content = harness::read_file(file());
  const auto refused = [&](const std::string& changed) {
    harness::write_file(file(), changed);
    const auto opened = open();
    return !opened && opened.error().code() == Code::altered;
  };
  for (std::size_t i = 0; i < content.size(); i += 7) {
    std::string changed = content;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_TRUE(refused(changed)) << "byte " << i;
  }
  EXPECT_TRUE(refused(content + "x"));
  EXPECT_TRUE(refused(content.substr(0, content.size() - 1)));
  EXPECT_TRUE(refused(content + std::string(10'000, 'x')));
  EXPECT_TRUE(refused(""));
  harness::write_file(file(), content);
  EXPECT_TRUE(open());
}

TEST_F(KeyringOnATpm, IsRefusedByAnotherTpm) {
  ASSERT_TRUE(create());
  const harness::SoftTpm another(scratch_ / "another");
  const auto opened = Keyring::open(token(another), file());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::altered);
  EXPECT_NE(opened.error().message().find(token(tpm_).seal_new_key()->name), std::string::npos);
  EXPECT_NE(opened.error().message().find(token(another).seal_new_key()->name), std::string::npos);
}

TEST_F(KeyringOnATpm, IsNotFoundWhereThereIsNone) {
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::not_found);
}

TEST_F(KeyringOnATpm, UnwrapsOnlyWhatWasWrappedForTheContext) {
  const auto keyring = create();
  ASSERT_TRUE(keyring) << keyring.error().message();
  const Bytes wrapped = keyring->wrap("invitation:1", secret_of("secret"), system_random());
  EXPECT_FALSE(keyring->unwrap("invitation:2", wrapped));
  EXPECT_FALSE(keyring->unwrap("", wrapped));
  for (std::size_t i = 0; i < wrapped.size(); ++i) {
    Bytes changed = wrapped;
    changed[i] ^= 1;
    const auto unwrapped = keyring->unwrap("invitation:1", changed);
    ASSERT_FALSE(unwrapped) << "byte " << i;
    EXPECT_EQ(unwrapped.error().code(), Code::altered);
  }
  for (std::size_t size = 0; size < wrapped.size(); ++size)
    EXPECT_FALSE(keyring->unwrap("invitation:1", ByteView(wrapped).first(size))) << size;
}

}  // namespace
}  // namespace coprotect::hsm
