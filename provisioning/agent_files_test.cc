#include "provisioning/agent_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "hsm/agent_folder.h"
#include "provisioning/agent_identity.h"
#include "provisioning/agent_invitation.h"
#include "provisioning/agent_store.h"
#include "provisioning/agent_tls.h"
#include "provisioning/as_owner.h"
#include "provisioning/clock.h"
#include "provisioning/durable.h"
#include "provisioning/init_agent.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

// An agent's folder that belongs to another user, and root beside it, as after README's `chown -R
// coprotect:`.
class AgentFiles : public testing::Test {
 protected:
  static constexpr uid_t kUser = 65534;

  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  }

  // The files of a tree that do not belong to the user.
  static std::vector<fs::path> of_others(const fs::path& folder) {
    std::vector<fs::path> found;
    const auto look = [&](const fs::path& path) {
      struct stat about {};
      if (lstat(path.c_str(), &about) != 0 || about.st_uid != kUser || about.st_gid != kUser)
        found.push_back(path);
    };
    look(folder);
    for (const auto& entry : fs::recursive_directory_iterator(folder)) look(entry.path());
    std::ranges::sort(found);
    return found;
  }
  static void give(const fs::path& path) { ASSERT_EQ(lchown(path.c_str(), kUser, kUser), 0); }

  const harness::Scratch scratch_;
  const fs::path folder_ = scratch_ / "agent";
};

TEST_F(AgentFiles, AreTheFoldersOwners) {
  fs::create_directory(folder_);
  give(folder_);
  ASSERT_TRUE(make_agents_directory(folder_ / "state"));
  ASSERT_TRUE(make_agents_directory(folder_ / "state"));
  ASSERT_TRUE(write_agents_file(folder_ / "state/file", bytes_of("x"), kPrivateMode));
  ASSERT_TRUE(write_agents_file(folder_ / "state/file", bytes_of("y"), kPublicMode));
  ASSERT_TRUE(StoreLock::acquire(folder_ / "state/store.db"));
  ASSERT_TRUE(StoreLock::acquire(folder_ / "state/store.db"));
  EXPECT_EQ(of_others(folder_), std::vector<fs::path>());
  // A link in its place is not followed.
  fs::create_directory(scratch_ / "roots");
  fs::create_directory_symlink(scratch_ / "roots", folder_ / "link");
  EXPECT_EQ(make_agents_directory(folder_ / "link").error().code(), Code::altered);
  EXPECT_EQ(of_others(scratch_ / "roots"), std::vector<fs::path>{scratch_ / "roots"});
}

// Whoever owns the folder puts a link in the place of a folder in it just when root writes there.
TEST_F(AgentFiles, AreWrittenAsTheFoldersOwner) {
  fs::create_directories(folder_ / "state");
  give(folder_);
  give(folder_ / "state");
  fs::permissions(scratch_.path(), fs::perms(0755));
  const fs::path roots = scratch_ / "roots";
  fs::create_directory(roots);
  fs::permissions(roots, fs::perms(0755));
  const auto write = [&] { return write_agents_file(folder_ / "state/file", bytes_of("x"), kPrivateMode); };
  {
    const AsOwner as_owner(folder_);
    EXPECT_TRUE(write());
  }
  EXPECT_EQ(of_others(folder_), std::vector<fs::path>());
  fs::rename(folder_ / "state", folder_ / "aside");
  fs::create_directory_symlink(roots, folder_ / "state");
  {
    const AsOwner as_owner(folder_);
    EXPECT_EQ(write().error().code(), Code::unavailable);
  }
  EXPECT_TRUE(fs::is_empty(roots));
  EXPECT_TRUE(write()) << "root is itself again";
}

TEST_F(AgentFiles, AreGivenWithTheWholeFolder) {
  fs::create_directories(folder_ / "state");
  fs::create_symlink("/etc/passwd", folder_ / "state/link");
  ASSERT_TRUE(give_to_owner_of(scratch_ / "nowhere", folder_));
  ASSERT_TRUE(give_to_owner_of(scratch_.path(), folder_));
  EXPECT_EQ(of_others(folder_).size(), 3u);
  fs::create_directory(scratch_ / "replaced");
  give(scratch_ / "replaced");
  ASSERT_TRUE(give_to_owner_of(scratch_ / "replaced", folder_));
  EXPECT_EQ(of_others(folder_), std::vector<fs::path>());
  struct stat passwd {};
  ASSERT_EQ(stat("/etc/passwd", &passwd), 0);
  EXPECT_EQ(passwd.st_uid, 0u);
}

// All commands that need no store, with a real token.
class AgentFilesOfCommands : public AgentFiles {
 protected:
  void SetUp() override {
    AgentFiles::SetUp();
    if (IsSkipped()) return;
    fs::create_directory(folder_);
    give(folder_);
    token_.use();
    // The token also belongs to that user: the agent's SoftHSM2 opens it.
    fs::permissions(scratch_.path(), fs::perms(0711));
    give_token();
    const auto made = init_agent(setup_, now_ms(), system_random());
    ASSERT_TRUE(made) << made.error().message();
  }

  void give_token() const {
    give(token_.configuration().parent_path());
    for (const auto& entry : fs::recursive_directory_iterator(token_.configuration().parent_path()))
      give(entry.path());
  }

  const harness::SoftToken token_{scratch_ / "token"};
  const AgentSetup setup_{.directory = folder_,
                          .role = "cloud",
                          .url = "https://agent.example:8443",
                          .listen = std::nullopt,
                          .token = harness::SoftToken::counting_logins(token_.uri()),
                          .hold_seconds = 300,
                          .token_helper = COPROTECT_TOKEN,
                          .companys = true};
};

TEST_F(AgentFilesOfCommands, AreTheFoldersOwners) {
  EXPECT_EQ(of_others(folder_), std::vector<fs::path>());
  fs::remove_all(hsm::state_of(folder_) / "invitations");  // the first invitation creates it
  const auto agent = AgentIdentity::open(folder_, setup_.token_helper);
  ASSERT_TRUE(agent) << agent.error().message();
  ASSERT_TRUE(write_invitation(folder_, *agent, now_ms(), system_random()));
  ASSERT_TRUE(write_tls(folder_, *agent, now_ms(), system_random()));
  EXPECT_EQ(of_others(folder_), std::vector<fs::path>());
}

// The folder's configuration names the library that is loaded, and the library writes to the folder. The user
// controls both, so root runs neither.
TEST_F(AgentFilesOfCommands, TheTokenIsUsedAsTheirOwner) {
  const fs::path logins = token_.configuration().string() + ".logins";  // created by the library itself
  const auto made_by = [&] {
    struct stat about {};
    return lstat(logins.c_str(), &about) == 0 ? about.st_uid : 0;
  };
  EXPECT_EQ(made_by(), kUser);
  fs::remove(logins);
  ASSERT_TRUE(AgentIdentity::open(folder_, setup_.token_helper));
  EXPECT_EQ(made_by(), kUser);
  EXPECT_EQ(of_others(token_.configuration().parent_path()), std::vector<fs::path>());
}

}  // namespace
}  // namespace coprotect::provisioning
