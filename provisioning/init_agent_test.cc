#include "provisioning/init_agent.h"

#include <gtest/gtest.h>

#include <fstream>

#include "provisioning/clock.h"
#include "provisioning/durable.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

// swtpm-tests/ tests real tokens. Here there is no token, and nothing may be left behind.
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

// Otherwise the folder would replace the link, and the disk to which the link leads would stay empty.
TEST_F(InitAgent, ReplacesNoLink) {
  fs::create_directory(scratch_ / "disk");
  fs::create_directory_symlink("disk", scratch_ / "agent");
  EXPECT_EQ(run(setup()).error().code(), Code::conflict);
  EXPECT_TRUE(fs::is_symlink(scratch_ / "agent"));
}

TEST_F(InitAgent, RemovesWhatAKilledRunLeftButNotWhatIsInUse) {
  ASSERT_TRUE(make_private_directory(scratch_ / "agent.tmp-killed"));
  for (const char* const file : {".unfinished", "keyring"})
    ASSERT_TRUE(write_durable(scratch_ / "agent.tmp-killed" / file, bytes_of("x"), kPrivateMode));
  ASSERT_TRUE(make_private_directory(scratch_ / "agent.tmp-empty"));
  ASSERT_TRUE(make_private_directory(scratch_ / "agent.tmp-in-use"));
  ASSERT_TRUE(make_private_directory(scratch_ / "another.tmp-folder"));
  const auto in_use = DirectoryLock::acquire(scratch_ / "agent.tmp-in-use");
  EXPECT_FALSE(run(setup()));
  EXPECT_FALSE(fs::exists(scratch_ / "agent.tmp-killed"));
  EXPECT_FALSE(fs::exists(scratch_ / "agent.tmp-empty"));
  EXPECT_TRUE(fs::exists(scratch_ / "agent.tmp-in-use"));
  EXPECT_TRUE(fs::exists(scratch_ / "another.tmp-folder"));
}

// An agent's folder that was moved away, one that restore-backup exchanged, a backup: each with the only
// share.
TEST_F(InitAgent, LeavesAgentsOfTemporaryNamesAlone) {
  fs::create_directories(scratch_ / "agent.tmp-old");
  std::ofstream(scratch_ / "agent.tmp-old/keyring") << "x";
  for (const char* const file : {"store.db", "epochs"}) {
    const fs::path folder = scratch_ / ("agent.tmp-" + std::string(file));
    fs::create_directories(folder / "state");
    std::ofstream(folder / "state" / file) << "x";
    std::ofstream(folder / ".unfinished") << "";
  }
  EXPECT_FALSE(run(setup()));
  for (const char* const kept : {"old", "store.db", "epochs"})
    EXPECT_TRUE(fs::exists(scratch_ / ("agent.tmp-" + std::string(kept)))) << kept;
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
