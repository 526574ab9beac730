// Client lists and key lists that somebody else signed with the client CA's key, and older ones that an agent
// shows: neither keeps the company out, nor brings back whom it removed.

#include "client/agent_client.h"
#include "protocol/base/test_must.h"
#include "protocol/bundle/bundle.h"
#include "protocol/message/client_list.h"
#include "protocol/message/key_list.h"
#include "provisioning/ca_key_file.h"
#include "provisioning/clock.h"
#include "swtpm-tests/lifecycle/lifecycle.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

class LostLists : public testing::Test {
 protected:
  std::string out() const { return system.out().string(); }
  void copy_folder() {
    std::filesystem::copy(system.out(), copied, std::filesystem::copy_options::recursive);
  }
  // What somebody does who copied the folder, and the passphrase.
  void with_copied_folder(const std::function<void()>& act) const {
    const path aside = system.folder() / "aside";
    std::filesystem::rename(system.out(), aside);
    std::filesystem::rename(copied, system.out());
    act();
    std::filesystem::rename(system.out(), copied);
    std::filesystem::rename(aside, system.out());
  }
  static void expect_says(const Finished& run, const std::string& words) {
    EXPECT_NE(run.err.find(words), std::string::npos) << run.err;
  }
  void keep_store(Agent& agent) const {
    agent.stop();
    std::filesystem::copy_file(agent.state() / "store.db", system.folder() / "store.db");
    ASSERT_TRUE(agent.start());
  }
  // Without a mark: the agent finds it out if another one tells it. Here none does.
  void put_store_back(Agent& agent) const {
    agent.stop();
    for (const char* const more : {"store.db-wal", "store.db-shm"})
      std::filesystem::remove(agent.state() / more);
    std::filesystem::copy_file(system.folder() / "store.db", agent.state() / "store.db",
                               std::filesystem::copy_options::overwrite_existing);
    ASSERT_TRUE(agent.start());
  }

  // With this client's certificate. What the agent answers.
  static Result<Bytes> bring(ByteView list, const Agent& agent, const path& client,
                             const std::string& kind = "clients") {
    const auto certificate = [](const path& pem) {
      return must(protocol::Certificate::parse_pem(bytes_of(read_file(pem))));
    };
    const auto key = must(protocol::SigningKey::from_pem(bytes_of(read_file(client.string() + ".key.pem"))));
    client::AgentClient link({.party = "agent",
                              .url = agent.url(),
                              .identity_certificate = certificate(agent.folder() / "identity.pem")},
                             {.chain = {certificate(client.string() + ".pem")}, .key = &key},
                             std::chrono::seconds(20));
    return link.put("/v1/tenants/acme/" + kind, list);
  }

  System system{{.suite = "p256", .handover_policy = "delay_seconds = 1\n"}};
  const path copied = system.folder() / "copied";
  const path alice = system.add_client("alice");
  const KeptFile file{system};
};

TEST_F(LostLists, AStrangersListLocksNobodyOut) {
  copy_folder();
  with_copied_folder([&] {
    system.add_client("evil", {"--role", "admin"});
    for (const char* const name : {"alice", "admin"}) EXPECT_TRUE(done(system.remove_client(name)));
    EXPECT_TRUE(done(system.remove_client("coprotect:acme:recovery:recovery", {"--without-recovery"})));
    EXPECT_EQ(system.key_state("acme", "destroyed", {"--yes", "--wait", "90d"}).exit_code, 0);
  });
  EXPECT_FALSE(file.opens(alice));
  EXPECT_FALSE(file.recovers());

  Finished run = system.remove_client("evil");
  EXPECT_EQ(run.exit_code, 3);
  expect_says(run, "which this folder did not sign");
  expect_says(run,
              "removed 3: coprotect:acme:admin:admin, coprotect:acme:recovery:recovery, "
              "coprotect:acme:user:alice; added 1: coprotect:acme:admin:evil");
  EXPECT_TRUE(done(system.remove_client("evil", {"--as-in-folder"})));
  run = system.key_state("acme", "encrypts");
  EXPECT_TRUE(done(run));
  expect_says(run, "is destroyed");
  EXPECT_TRUE(file.opens(alice));
  EXPECT_TRUE(done(system.provision({"holders", "--dir", out()})));
  EXPECT_TRUE(file.recovers());
}

// The company lost everything, and somebody else's list names its recovery administrator no longer.
// Whoever has the client CA's key brings one of the agents the highest numbers that it takes, none of which
// the other one has.
TEST_F(LostLists, HighNumbersAtOneAgentLockNobodyOut) {
  const auto bundle = must(protocol::Bundle::parse(bytes_of(read_file(system.bundle()))));
  const auto& ca = bundle.parameters()->client_ca;
  const auto ca_key = must(provisioning::open_ca_key(bytes_of(read_file(out() + "/client-ca.key")), ca,
                                                     Secret::copy_of(bytes_of(System::ca_passphrase()))));
  const auto high = [] { return static_cast<std::uint64_t>(provisioning::now_ms() + 86'399'000); };
  const path client = alice.parent_path() / "alice";
  for (const char* const name : {"bob", "carol"}) {
    const protocol::ClientList nobody{.tenant = "acme", .serial = high(), .time_ms = 1, .clients = {}};
    const protocol::KeyList disabled{.tenant = "acme",
                                     .serial = high(),
                                     .time_ms = 1,
                                     .keys = {{bundle.key_id(), protocol::KeyUse::disabled, 0}}};
    must(bring(nobody.sign(ca_key), system.cloud(), client));
    must(bring(disabled.sign(ca_key), system.cloud(), client, "keys"));
    EXPECT_FALSE(file.opens(alice));
    system.add_client(name, {"--as-in-folder"});
    EXPECT_TRUE(done(system.key_state("acme", "encrypts")));
    EXPECT_TRUE(file.opens(alice));
  }
}

TEST_F(LostLists, ALostCompanyIsRestoredOverAStrangersList) {
  const path kit = system.folder() / "safe.kit";
  std::filesystem::copy_file(system.kit(), kit);
  copy_folder();
  with_copied_folder([&] {
    system.add_client("evil", {"--role", "admin"});
    EXPECT_TRUE(done(system.remove_client("coprotect:acme:recovery:recovery", {"--without-recovery"})));
  });
  std::filesystem::rename(system.out(), system.folder() / "lost");
  // Not with the invitation of the agent that is left, by mistake: that took all clients off the list.
  EXPECT_TRUE(done(system.invite(system.cloud())));
  const std::vector<std::string> args = {"restore", "--kit",      kit.string(), "--out",       out(),
                                         "--wait",  "--key-list", "0",          "--invitation"};
  auto with_mistake = args;
  with_mistake.push_back(system.cloud().invitation().string());
  const Finished refused = system.hand_over(with_mistake);
  EXPECT_EQ(refused.exit_code, 3);
  expect_says(refused, "the cloud agent of this invitation is not lost");
  EXPECT_TRUE(file.opens(alice));
  system.company().stop();
  const Agent& fresh = system.add_agent("company", "company-again", false);
  auto with_new = args;
  with_new.push_back(fresh.invitation().string());
  ASSERT_TRUE(done(system.hand_over(with_new)));
  EXPECT_TRUE(file.opens(system.admin()));
  EXPECT_FALSE(file.opens(alice));
}

// The agent that is left shows an older list than the newest. What came between them was signed once, and
// whoever has it brings it after the restore.
TEST_F(LostLists, ARemovedClientsListDoesNotCountAgainAfterARestore) {
  const path kit = system.folder() / "safe.kit";
  std::filesystem::copy_file(system.kit(), kit);
  keep_store(system.cloud());
  system.add_client("bob");
  const path mallory = system.add_client("mallory");
  const std::string list = read_file(system.out() / "client-list");
  EXPECT_TRUE(file.opens(mallory));
  EXPECT_TRUE(done(system.remove_client("mallory")));
  system.company().stop();
  put_store_back(system.cloud());
  std::filesystem::rename(system.out(), system.folder() / "lost");
  const Agent& fresh = system.add_agent("company", "company-again", false);
  ASSERT_TRUE(
      done(system.hand_over({"restore", "--kit", kit.string(), "--invitation", fresh.invitation().string(),
                             "--out", out(), "--wait", "--key-list", "0"})));
  for (const Agent* const agent : {static_cast<const Agent*>(&system.cloud()), &fresh}) {
    const auto taken = bring(bytes_of(list), *agent, mallory.parent_path() / "mallory");
    EXPECT_EQ(taken ? "taken" : code_name(taken.error().code()), "conflict");
  }
  EXPECT_FALSE(file.opens(mallory));
  EXPECT_TRUE(file.opens(system.admin()));
}

// The company has its folder, and the agent that is left shows an older list.
TEST_F(LostLists, AnAgentThatJoinsGetsTheFoldersIfThatIsNewer) {
  const path mallory = system.add_client("mallory");
  keep_store(system.cloud());
  EXPECT_TRUE(file.opens(mallory));
  EXPECT_TRUE(done(system.remove_client("mallory")));
  system.company().stop();
  put_store_back(system.cloud());
  const Agent& fresh = system.add_agent("company", "company-again", false);
  const Finished run =
      system.hand_over({"reshare", "--dir", out(), "--invitation", fresh.invitation().string(), "--our-agent",
                        "company", "--kit", system.kit().string()});
  ASSERT_TRUE(done(run));
  expect_says(run, "the agents show an older client list than the one in");
  EXPECT_FALSE(file.opens(mallory));
  EXPECT_TRUE(file.opens(alice));
}

}  // namespace
}  // namespace coprotect::harness
