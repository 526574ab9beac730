#include "client/files/header_replacement.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "client/files/encrypted_file.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::client {
namespace {

namespace fs = std::filesystem;

class HeaderReplacement : public testing::Test {
 protected:
  HeaderReplacement() { put(file_, text(made_.encoded()) + body_); }

  static protocol::Header header(std::uint8_t key, const std::string& policy = "") {
    const auto group = protocol::group_of(protocol::SuiteId::p256).generator().base();
    auto made = protocol::Header::create(*protocol::PublicKey::make(group), {key},
                                         Bytes(policy.begin(), policy.end()), system_random());
    return std::move(made->first);
  }
  static std::string text(ByteView bytes) { return std::string(text_of(bytes)); }
  static void put(const fs::path& file, const std::string& content) {
    std::ofstream(file, std::ios::binary) << content;
  }
  static std::string content(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Status replace(const fs::path& file, const protocol::Header& next) {
    const auto input = Input::open(file);
    return input ? replace_header(file, *input, made_, next, progress_) : input.error();
  }

  const protocol::Header made_ = header(1);
  const std::string body_ = std::string(3'000'000, 'b') + "end";
  Progress progress_{0, false};
  const harness::Scratch scratch_;
  const fs::path folder_{scratch_.path()};
  const fs::path file_{folder_ / "f.cop"};
};

TEST_F(HeaderReplacement, LeavesTheBodyModeAndTimesAsTheyWere) {
  ASSERT_EQ(chmod(file_.c_str(), 0640), 0);
  const timespec times[2] = {{1'000'000'000, 5}, {1'100'000'000, 123'456'789}};
  ASSERT_EQ(utimensat(AT_FDCWD, file_.c_str(), times, 0), 0);
  const protocol::Header longer =
      header(2, R"({"version":1,"allow":{"users":["coprotect:acme:user:alice"]}})");
  const auto replaced = replace(file_, longer);
  ASSERT_TRUE(replaced) << replaced.error().message();
  EXPECT_EQ(content(file_), text(longer.encoded()) + body_);
  struct stat now {};
  ASSERT_EQ(stat(file_.c_str(), &now), 0);
  EXPECT_EQ(now.st_mode & 07777, 0640u);
  EXPECT_EQ(now.st_mtim.tv_sec, 1'100'000'000);
  EXPECT_EQ(now.st_mtim.tv_nsec, 123'456'789);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "a temporary file stayed";
}

TEST_F(HeaderReplacement, LeavesAFileThatChangedAlone) {
  const auto input = Input::open(file_);
  put(file_, text(made_.encoded()) + "shorter");
  EXPECT_EQ(replace_header(file_, *input, made_, header(2), progress_).error().code(), Code::conflict);
  EXPECT_EQ(content(file_), text(made_.encoded()) + "shorter");
}

TEST_F(HeaderReplacement, ReplacesNoOtherFile) {
  const auto input = Input::open(file_);
  fs::rename(file_, folder_ / "moved");
  put(file_, "somebody else's");
  EXPECT_EQ(replace_header(file_, *input, made_, header(2), progress_).error().code(), Code::conflict);
  EXPECT_EQ(content(file_), "somebody else's");

  fs::create_symlink("moved", folder_ / "link");
  EXPECT_EQ(replace(folder_ / "link", header(2)).error().message(),
            "is a symbolic link: name the file itself");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
}

}  // namespace
}  // namespace coprotect::client
