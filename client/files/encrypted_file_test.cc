#include "client/files/encrypted_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <fstream>

#include "swtpm-tests/harness/scratch.h"

namespace coprotect::client {
namespace {

// A header for a key without shareholders, and its file key: what a quorum's m would unlock.
class EncryptedFileTest : public testing::Test {
 protected:
  std::filesystem::path put(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return folder_ / name;
  }
  std::string content(const std::string& name) const {
    std::ifstream in(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Status encrypt(const std::filesystem::path& in, const std::filesystem::path& out) {
    auto input = Input::open(in);
    auto target = Target::open(out, true, 0600);
    EXPECT_TRUE(input && target);
    return write_encrypted(*input, made_.first, made_.second, *target, progress_);
  }
  Status decrypt(const std::filesystem::path& in, const std::filesystem::path& out) {
    auto input = Input::open(in);
    if (!input) return input.error();
    const auto header = read_header(*input);
    if (!header) return header.error();
    auto target = Target::open(out, true, 0600);
    if (!target) return target.error();
    return write_decrypted(*input, *header, made_.second, *target, progress_);
  }

  const std::pair<protocol::Header, Secret> made_ = *protocol::Header::create(
      *protocol::PublicKey::make(protocol::group_of(protocol::SuiteId::p256).generator().base()), {}, {},
      system_random());
  Progress progress_{0, false};
  const harness::Scratch scratch_;
  const std::filesystem::path folder_ = scratch_.path();
};

TEST_F(EncryptedFileTest, RoundTrips) {
  const std::string text(700'000, 'x');
  ASSERT_TRUE(encrypt(put("in", text), folder_ / "sealed"));
  EXPECT_EQ(content("sealed").size(), made_.first.encoded().size() + protocol::sealed_body_size(text.size()));
  ASSERT_TRUE(decrypt(folder_ / "sealed", folder_ / "out"));
  EXPECT_EQ(content("out"), text);
}

TEST_F(EncryptedFileTest, ShowsTheSizeOfTheContent) {
  ASSERT_TRUE(encrypt(put("in", std::string(50'000, 'x')), folder_ / "sealed"));
  auto input = Input::open(folder_ / "sealed");
  ASSERT_TRUE(input && read_header(*input));
  const auto size = content_size(*input);
  ASSERT_TRUE(size);
  EXPECT_EQ(*size, 50'000u);
}

TEST_F(EncryptedFileTest, GivesNoNameToWhatWasAltered) {
  ASSERT_TRUE(encrypt(put("in", std::string(700'000, 'x')), folder_ / "sealed"));
  const std::string whole = content("sealed");
  std::string flipped = whole;
  flipped[whole.size() - 3] ^= 1;
  for (const std::string& bad : {flipped, whole.substr(0, whole.size() - 1), whole + "x",
                                 whole.substr(0, made_.first.encoded().size() + 20)}) {
    const auto done = decrypt(put("bad", bad), folder_ / "out");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), Code::altered);
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
  }
}

TEST_F(EncryptedFileTest, SaysThatAStreamIsIncomplete) {
  ASSERT_TRUE(encrypt(put("in", std::string(700'000, 'x')), folder_ / "sealed"));
  std::string cut = content("sealed");
  cut.pop_back();
  const auto done = decrypt(put("cut", cut), "/dev/null");
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message().find("the output is incomplete"), std::string::npos);
}

TEST_F(EncryptedFileTest, KeepsBinaryDataFromTerminals) {
  int screen = -1;
  int terminal = -1;
  char name[128];
  ASSERT_EQ(openpty(&screen, &terminal, name, nullptr, nullptr), 0);
  const Fd ends[] = {Fd(screen), Fd(terminal)};
  const auto refused = encrypt(put("in", "text\n"), name);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::conflict);

  ASSERT_TRUE(encrypt(folder_ / "in", folder_ / "text"));
  EXPECT_TRUE(decrypt(folder_ / "text", name));
  char shown[5];
  EXPECT_EQ(read(screen, shown, 5), 5);
  EXPECT_EQ(std::string(shown, 4), "text");

  ASSERT_TRUE(encrypt(put("binary", "\x1b[2J"), folder_ / "sealed"));
  const auto done = decrypt(folder_ / "sealed", name);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message().find("binary data"), std::string::npos);
}

TEST_F(EncryptedFileTest, NoticesAnInputThatChanged) {
  const std::filesystem::path in = put("in", "before");
  const auto input = Input::open(in);
  ASSERT_TRUE(input && input->unchanged());
  put("in", "after it was opened");
  EXPECT_FALSE(input->unchanged());
}

}  // namespace
}  // namespace coprotect::client
