// Each use is in its own process (bundle_file_subject.cc), which a fault point may kill.

#include "client/bundle_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "client/enrolment.h"
#include "client/files/small_file.h"
#include "protocol/base/fd.h"
#include "protocol/handover/test_handover.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::client {
namespace {

using protocol::Bundle;
using protocol::test::TestHandover;

class BundleFileTest : public testing::Test {
 protected:
  BundleFileTest() {
    for (int i = 0; i < 4; ++i) {
      bundles_.push_back(key_.bundle);
      TestHandover(key_, protocol::test::default_layout(), {1, 2}).run();
    }
    write(bundles_.front());
  }
  void write(const Bundle& bundle) const { write(bundle, file_); }
  static void write(const Bundle& bundle, const std::filesystem::path& file) {
    std::ofstream(file, std::ios::binary) << text_of(bundle.encoded());
  }
  Bytes content() const { return must(read_small_file(file_, kMaxBundleSize)); }
  // The error's code, see failed(). If a fault point is named, it kills the process.
  int keep(const Bundle& bundle, int fault = 0) const {
    const auto source = inputs_ / to_hex(bundle.newest_hash());
    write(bundle, source);
    harness::Command command(COPROTECT_BUNDLE_FILE_SUBJECT);
    command.arg(file_).arg(source);
    if (fault != 0) command.env("COPROTECT_FAULT_AT=" + std::to_string(fault));
    return command.run().exit_code;
  }
  static int failed(Code code) { return static_cast<int>(code) + 1; }
  std::ptrdiff_t files() const {
    return std::distance(std::filesystem::directory_iterator(scratch_.path()), {});
  }

  protocol::test::TestKey key_ = protocol::test::TestKey::generate(protocol::SuiteId::p256);
  std::vector<Bundle> bundles_;
  const harness::Scratch inputs_;
  const harness::Scratch scratch_;
  const std::filesystem::path file_ = scratch_ / "acme.bundle";
};

TEST_F(BundleFileTest, ReplacesAnOlderOneAndKeepsItsPermissions) {
  ASSERT_EQ(chmod(file_.c_str(), 0640), 0);
  const std::filesystem::path whole = scratch_ / "elsewhere";
  std::filesystem::rename(file_, whole);
  std::filesystem::create_symlink("elsewhere", file_);
  EXPECT_EQ(keep(bundles_[2]), 0);
  EXPECT_EQ(content(), bundles_[2].encoded());
  EXPECT_TRUE(std::filesystem::is_symlink(file_));
  struct stat status {};
  ASSERT_EQ(stat(whole.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0640u);
}

TEST_F(BundleFileTest, NeverGoesBack) {
  EXPECT_EQ(keep(bundles_[2]), 0);
  EXPECT_EQ(keep(bundles_[1]), 0);
  EXPECT_EQ(content(), bundles_[2].encoded());
}

TEST_F(BundleFileTest, LeavesAloneWhatItDoesNotGoOnFrom) {
  TestHandover other(key_, protocol::test::default_layout(), {1, 2});
  const auto made = must(other.transcript(other.deal()));
  const Bundle fork =
      must(key_.bundle.followed_by(protocol::HandoverVersion::encode(made, other.confirm(made))));
  TestHandover(key_, protocol::test::default_layout(), {1, 2}).run();
  write(fork);
  EXPECT_EQ(keep(key_.bundle), failed(Code::altered));
  EXPECT_EQ(content(), fork.encoded());
  const auto foreign = protocol::test::TestKey::generate(protocol::SuiteId::p256);
  EXPECT_EQ(keep(foreign.bundle), failed(Code::unauthenticated));
  std::filesystem::remove(file_);
  EXPECT_EQ(keep(key_.bundle), failed(Code::not_found));
  EXPECT_EQ(files(), 0);
}

TEST_F(BundleFileTest, IsWholeWheneverItsWriterIsKilled) {
  EXPECT_EQ(keep(bundles_[1], 1), 128 + SIGKILL);  // written, but not in place
  EXPECT_EQ(content(), bundles_[0].encoded());
  EXPECT_EQ(keep(bundles_[1], 2), 128 + SIGKILL);
  EXPECT_EQ(content(), bundles_[1].encoded());
  EXPECT_EQ(keep(bundles_[2]), 0);
  EXPECT_EQ(content(), bundles_[2].encoded());
  EXPECT_EQ(files(), 1);
}

TEST_F(BundleFileTest, ManyWritersLeaveTheNewest) {
  for (int round = 0; round < 4; ++round) {
    write(bundles_[0]);
    std::vector<std::jthread> writers;
    for (const Bundle& bundle : bundles_) writers.emplace_back([&] { EXPECT_EQ(keep(bundle), 0); });
    writers.clear();
    EXPECT_EQ(content(), bundles_[3].encoded());
  }
}

TEST_F(BundleFileTest, GivesUpIfSomebodyHoldsTheFile) {
  const Fd held(open(file_.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(flock(held.get(), LOCK_EX), 0);
  EXPECT_EQ(keep(bundles_[1]), failed(Code::unavailable));
  EXPECT_EQ(content(), bundles_[0].encoded());
}

}  // namespace
}  // namespace coprotect::client
