#include "provisioning/init_agent.h"

#include <gtest/gtest.h>

#include "provisioning/clock.h"
#include "provisioning/durable.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

// What a token does is tested with real ones in swtpm-tests/; here there is none, and nothing may stay
// behind.
class InitAgent : public testing::Test {
 protected:
  AgentSetup setup() const {
    return {.directory = scratch_ / "agent",
            .role = "cloud",
            .url = "https://agent.example:8443",
            .listen = std::nullopt,
            .token = "tpm:swtpm:path=/nonexistent",
            .hold_seconds = 300,
            .token_helper = "/nonexistent/coprotect-token"};
  }
  Result<std::string> run(const AgentSetup& wanted) const {
    return init_agent(wanted, now_ms(), system_random());
  }

  const harness::Scratch scratch_;
};

TEST_F(InitAgent, LeavesNothingIfTheTokenFails) {
  EXPECT_FALSE(run(setup()));
  EXPECT_TRUE(fs::is_empty(scratch_.path()));
}

TEST_F(InitAgent, LeavesAFolderThatHoldsSomethingAlone) {
  ASSERT_TRUE(make_private_directory(scratch_ / "agent"));
  ASSERT_TRUE(write_durable(scratch_ / "agent/agent.toml", bytes_of("x"), kPublicMode));
  EXPECT_EQ(run(setup()).error().code(), Code::conflict);
  EXPECT_EQ(text_of(*client::read_small_file(scratch_ / "agent/agent.toml", kMaxFile)), "x");
}

TEST_F(InitAgent, RemovesWhatAKilledRunLeftButNotWhatIsInUse) {
  ASSERT_TRUE(make_private_directory(scratch_ / "agent.tmp-killed"));
  ASSERT_TRUE(write_durable(scratch_ / "agent.tmp-killed/keyring", bytes_of("x"), kPrivateMode));
  ASSERT_TRUE(make_private_directory(scratch_ / "agent.tmp-in-use"));
  ASSERT_TRUE(make_private_directory(scratch_ / "another.tmp-folder"));
  const auto in_use = DirectoryLock::acquire(scratch_ / "agent.tmp-in-use");
  EXPECT_FALSE(run(setup()));
  EXPECT_FALSE(fs::exists(scratch_ / "agent.tmp-killed"));
  EXPECT_TRUE(fs::exists(scratch_ / "agent.tmp-in-use"));
  EXPECT_TRUE(fs::exists(scratch_ / "another.tmp-folder"));
}

TEST_F(InitAgent, RefusesWrongNames) {
  AgentSetup wrong = setup();
  wrong.url = "http://agent.example:8443";
  EXPECT_EQ(run(wrong).error().code(), Code::malformed);
  wrong = setup();
  wrong.role = "Cloud";
  EXPECT_EQ(run(wrong).error().code(), Code::malformed);
  EXPECT_TRUE(fs::is_empty(scratch_.path()));
}

}  // namespace
}  // namespace coprotect::provisioning
