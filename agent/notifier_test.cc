#include "agent/notifier.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "swtpm-tests/harness/scratch.h"

namespace coprotect::agent {
namespace {

namespace fs = std::filesystem;

class NotifierTest : public testing::Test {
 protected:
  fs::path script(const std::string& name, const std::string& body) const {
    const fs::path file = scratch_ / name;
    std::ofstream(file) << "#!/bin/sh\n" << body << '\n';
    fs::permissions(file, fs::perms::owner_all);
    return file;
  }
  static bool tell(const fs::path& command, const std::string& text) {
    auto told = notifier(command)({.event = "announced", .tenant = "acme", .key_id = {1}, .text = text});
    return told.get();
  }
  harness::Scratch scratch_;
};

TEST_F(NotifierTest, SaysWhetherTheCommandEndedWell) {
  EXPECT_FALSE(notifier(std::nullopt));
  const fs::path heard = scratch_ / "heard";
  EXPECT_TRUE(tell(script("ends-well", "echo \"$1 $2 $4\" > '" + heard.string() + "'"), "who did what"));
  std::stringstream said;
  said << std::ifstream(heard).rdbuf();
  EXPECT_EQ(said.str(), "announced acme who did what\n");
  EXPECT_FALSE(tell(script("fails", "exit 3"), "text"));
  EXPECT_FALSE(tell(script("is-killed", "kill -9 $$"), "text"));
  EXPECT_FALSE(tell(scratch_ / "is-not-there", "text"));
}

// The custodian's longest text fits into an argument. One that the system does not accept is a failure.
TEST_F(NotifierTest, ATextThatCannotBeHandedOverIsAFailure) {
  const fs::path command = script("ends-well", "exit 0");
  EXPECT_TRUE(tell(command, std::string(std::size_t{50} << 10, 'x')));
  EXPECT_FALSE(tell(command, std::string(std::size_t{2} << 20, 'x')));
}

}  // namespace
}  // namespace coprotect::agent
