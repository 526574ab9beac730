// An agent that joined a key is its only honest holder once the old one is gone: what another agent forgot,
// or says that it forgot, takes nothing from it.

#include "swtpm-tests/lifecycle/lifecycle.h"

namespace coprotect::harness {
namespace {

class LifecycleJoined : public testing::Test {
 protected:
  std::string out() const { return system.out().string(); }
  // The store alone, as a backup of the database file has it: token and epochs are the newest.
  void keep_store(Agent& agent) {
    agent.stop();
    std::filesystem::copy_file(agent.state() / "store.db", kept_store);
    ASSERT_TRUE(agent.start());
  }
  void put_store_back(Agent& agent) {
    agent.stop();
    for (const char* const more : {"store.db-wal", "store.db-shm"})
      std::filesystem::remove(agent.state() / more);
    std::filesystem::copy_file(kept_store, agent.state() / "store.db",
                               std::filesystem::copy_options::overwrite_existing);
    ASSERT_TRUE(agent.start());
  }
  // The cloud's agent has lost its share for good, and the key has not: it gets another holder.
  void expect_cloud_replaced(const Agent& company, const std::string& words) {
    const Finished refreshed = system.hand_over({"refresh", "--dir", out()});
    EXPECT_NE(refreshed.exit_code, 0) << refreshed.out << refreshed.err;
    EXPECT_NE(refreshed.err.find(words), std::string::npos) << refreshed.err;
    EXPECT_EQ(refreshed.err.find("taking back"), std::string::npos) << refreshed.err;
    system.cloud().stop();
    EXPECT_TRUE(file.recovers()) << "with the agent that joined: " << read_file(company.log());
    const Agent& other = system.add_agent("cloud", "other-cloud", true);
    const Finished replaced = system.hand_over({"reshare", "--dir", out(), "--invitation",
                                                other.invitation().string(), "--kit", system.kit().string()});
    EXPECT_TRUE(done(replaced));
    EXPECT_TRUE(file.opens(system.admin()));
  }

  System system{{.suite = "p256", .handover_policy = "delay_seconds = 1\n"}};
  const KeptFile file{system};
  const std::filesystem::path kept_store = system.folder() / "store.db";
};

TEST_F(LifecycleJoined, AnOldStoreTakesNoEpochBack) {
  keep_store(system.cloud());
  const Agent& fresh = system.add_agent("company", "company-again", false);
  ASSERT_TRUE(done(system.hand_over(
      {"reshare", "--dir", out(), "--invitation", fresh.invitation().string(), "--our-agent", "company"})));
  EXPECT_TRUE(std::filesystem::exists(system.out() / "acme.acknowledged"));
  system.company().stop();
  put_store_back(system.cloud());
  expect_cloud_replaced(fresh, "all agents acknowledged epoch 1");
}

TEST_F(LifecycleJoined, AnOldStoreTakesNoEpochBackFromARestoredCompany) {
  keep_store(system.cloud());
  const auto kit = system.folder() / "safe.kit";
  std::filesystem::copy_file(system.kit(), kit);
  system.company().stop();
  std::filesystem::rename(system.out(), system.folder() / "lost");
  const Agent& fresh = system.add_agent("company", "company-again", false);
  ASSERT_TRUE(
      done(system.hand_over({"restore", "--kit", kit.string(), "--invitation", fresh.invitation().string(),
                             "--out", out(), "--wait", "--key-list", "0"})));
  EXPECT_TRUE(std::filesystem::exists(system.out() / "acme.acknowledged"));
  put_store_back(system.cloud());
  // Nor does the old store know the new administrator.
  expect_cloud_replaced(fresh, "waiting for the cloud agent");
}

}  // namespace
}  // namespace coprotect::harness
