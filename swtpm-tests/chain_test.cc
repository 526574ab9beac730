// Files opened through one agent, which passes the request on to the other.

#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "client/agent_client.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using std::filesystem::path;

// Somebody who has an agent's TLS key.
class AgentsCaller {
 public:
  explicit AgentsCaller(const Agent& agent)
      : certificate_(certificate_of(agent, "tls.pem")),
        key_(*protocol::SigningKey::from_pem(bytes_of(read_file(agent.folder() / "tls.key.pem")))) {}

  // How another agent answers: the code of its refusal.
  std::optional<Code> code(const Agent& at, const std::string& path, const std::string& body = {}) const {
    client::AgentClient client(
        {.party = {}, .url = at.url(), .identity_certificate = certificate_of(at, "identity.pem")},
        {.chain = {certificate_}, .key = &key_}, std::chrono::seconds(20));
    const auto answer = body.empty() ? client.get(path) : client.post(path, bytes_of(body));
    return answer ? std::nullopt : std::optional(answer.error().code());
  }

 private:
  static protocol::Certificate certificate_of(const Agent& agent, const char* file) {
    return *protocol::Certificate::parse_pem(bytes_of(read_file(agent.folder() / file)));
  }
  protocol::Certificate certificate_;
  protocol::SigningKey key_;
};

// Every suite goes through the same tests.
class Chain : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    system_ = std::make_unique<System>(System::Options{.suite = GetParam()});
    if (HasFailure()) GTEST_FAIL() << "no system";
    alice_ = system_->add_client("alice", {"--group", "finance"});
    write_file(system_->folder() / "f", kContent);
    ASSERT_EQ(system_->coprotect(alice_, {"encrypt", file("f")}).exit_code, 0);
  }

  std::string file(const std::string& name) const { return (system_->folder() / name).string(); }
  Finished decrypt(const std::string& via, std::vector<std::string> options = {}) {
    options.insert(options.begin(), {"decrypt", file("f.cop"), "-o", file("out"), "--force", "--via", via});
    return system_->coprotect(alice_, options);
  }
  void expect_opens(const std::string& via) {
    const Finished run = decrypt(via);
    ASSERT_EQ(run.exit_code, 0) << run.err << read_file(system_->cloud().log());
    EXPECT_EQ(read_file(file("out")), kContent);
    std::filesystem::remove(file("out"));
  }
  void expect_fails(const std::string& via, int code, const std::vector<std::string>& words) {
    const Finished run = decrypt(via);
    EXPECT_EQ(run.exit_code, code) << run.err;
    for (const std::string& word : words) EXPECT_NE(run.err.find(word), std::string::npos) << run.err;
    EXPECT_FALSE(std::filesystem::exists(file("out")));
  }
  // What alice had done, in the log of this party, the last one last.
  std::vector<nlohmann::json> results_of_alice(const std::string& party) {
    const Finished log =
        system_->provision({"log", "--dir", system_->out().string(), "--party", party, "--json"});
    EXPECT_EQ(log.exit_code, 0) << log.err;
    std::vector<nlohmann::json> results;
    std::istringstream lines(log.out);
    for (std::string line; std::getline(lines, line);) {
      auto entry = nlohmann::json::parse(line);
      if (entry.value("kind", "") == "result" && entry.value("client", "") == "coprotect:acme:user:alice")
        results.push_back(std::move(entry));
    }
    return results;
  }
  Agent& other(const Agent& agent) {
    return &agent == &system_->cloud() ? system_->company() : system_->cloud();
  }
  // Which agent got the request from the client, by its own words.
  static bool passed_on(const Agent& agent) {
    return read_file(agent.log()).find("passed on to") != std::string::npos;
  }

  static constexpr const char* kContent = "figures that only the two agents together can show";
  std::unique_ptr<System> system_;
  path alice_;
};

INSTANTIATE_TEST_SUITE_P(Suites, Chain, testing::Values("p256", "ffdhe3072"),
                         [](const auto& instance) { return instance.param; });

TEST_P(Chain, OpensInEitherDirection) {
  expect_opens("chain");
  EXPECT_TRUE(passed_on(system_->cloud()));  // the first in the key's order
  EXPECT_FALSE(passed_on(system_->company()));
  expect_opens("chain:company");
  EXPECT_TRUE(passed_on(system_->company()));

  // Both recorded both requests, the very same bytes.
  const auto cloud = results_of_alice("cloud");
  const auto company = results_of_alice("company");
  ASSERT_EQ(cloud.size(), 2u);
  ASSERT_EQ(company.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(cloud[i].at("request_hash"), company[i].at("request_hash"));
    EXPECT_NE(cloud[i].at("request_id"), company[i].at("request_id"));
  }
  EXPECT_NE(cloud[0].at("request_hash"), cloud[1].at("request_hash"));
}

TEST_P(Chain, IsChosenByTheConfiguration) {
  write_file(alice_, read_file(alice_) + "via = \"chain:company\"\n");
  ASSERT_EQ(system_->coprotect(alice_, {"decrypt", file("f.cop"), "-o", file("out")}).exit_code, 0);
  EXPECT_EQ(read_file(file("out")), kContent);
  EXPECT_TRUE(passed_on(system_->company()));
  const Finished run = decrypt("chain:recovery");  // no agent
  EXPECT_EQ(run.exit_code, 2) << run.err;
  EXPECT_EQ(decrypt("zigzag").exit_code, 2);
}

TEST_P(Chain, OpensAFolder) {
  std::filesystem::create_directories(file("in"));
  for (int i = 0; i < 30; ++i)
    write_file(file("in/" + std::to_string(i)), std::string(1000, char('a' + i % 26)));
  ASSERT_EQ(system_->coprotect(alice_, {"encrypt", "-r", file("in"), "-o", file("sealed")}).exit_code, 0);
  const Finished run =
      system_->coprotect(alice_, {"decrypt", "-r", file("sealed"), "-o", file("opened"), "--via", "chain"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(read_file(file("opened/" + std::to_string(i))), read_file(file("in/" + std::to_string(i))));
  EXPECT_EQ(results_of_alice("company").size(), 1u);
}

TEST_P(Chain, SaysWhoDidNotAnswer) {
  for (Agent* const gone : {&system_->company(), &system_->cloud()}) {
    gone->stop();
    const std::string name = gone == &system_->cloud() ? "cloud" : "company";
    const std::string left = gone == &system_->cloud() ? "company" : "cloud";
    // Told by the agent that tried; and if the client itself asks in vain, the other one is asked.
    expect_fails("chain:" + left, 4,
                 {name + " agent", "cannot connect", "could not be asked: " + left + " agent", "--recover"});
    expect_fails("chain:" + name, 4,
                 {name + " agent", "cannot connect", "could not be asked: " + left + " agent", "--recover"});
    // What is there still answers: its part and the recovery share open the file.
    const Finished recovered =
        system_->recover({file("f.cop"), "-o", file("recovered-" + name), "--via", "chain"});
    EXPECT_EQ(recovered.exit_code, 0) << recovered.err;
    EXPECT_EQ(read_file(file("recovered-" + name)), kContent);
    ASSERT_TRUE(gone->start());
    // The other's relay kept a connection, and the client knows nothing of it.
    expect_opens("chain:" + left);
  }
}

TEST_P(Chain, GoesOnWhenAnAgentIsGoneAndBack) {
  expect_opens("chain");
  for (Agent* const agent : {&system_->company(), &system_->cloud()}) {
    agent->kill();
    ASSERT_TRUE(agent->start());
    for (const char* const via : {"chain:cloud", "chain:company", "chain:cloud"}) expect_opens(via);
  }
}

TEST_P(Chain, GivesUpAPeerThatHangs) {
  write_file(alice_, read_file(alice_) + "deadline_seconds = 8\n");
  expect_opens("chain");
  const pid_t pid = system_->company().daemon().pid();
  ASSERT_EQ(kill(pid, SIGSTOP), 0);  // its front accepts, but nobody judges
  const auto start = std::chrono::steady_clock::now();
  expect_fails("chain:cloud", 4, {"company agent", "unavailable", "could not be asked: cloud agent"});
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  ASSERT_EQ(kill(pid, SIGCONT), 0);
  expect_opens("chain:cloud");
}

TEST_P(Chain, IsRefusedByEachPartyForItself) {
  const path bob = system_->add_client("bob", {"--group", "support"});
  ASSERT_EQ(
      system_->coprotect(alice_, {"encrypt", file("f"), "-o", file("mine.cop"), "--allow-user", "alice"})
          .exit_code,
      0);
  const Finished run =
      system_->coprotect(bob, {"decrypt", file("mine.cop"), "-o", file("stolen"), "--via", "chain"});
  EXPECT_EQ(run.exit_code, 3) << run.err;
  EXPECT_NE(run.err.find("cloud agent"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("company agent"), std::string::npos) << run.err;
  EXPECT_FALSE(std::filesystem::exists(file("stolen")));

  // A client that is enrolled no more reaches nobody behind the first.
  ASSERT_EQ(system_->remove_client("bob").exit_code, 0);
  const auto before = read_file(system_->cloud().log()).size();
  const Finished removed =
      system_->coprotect(bob, {"decrypt", file("mine.cop"), "-o", file("stolen"), "--via", "chain"});
  EXPECT_EQ(removed.exit_code, 3) << removed.err;
  EXPECT_EQ(read_file(system_->cloud().log()).substr(before).find("passed on"), std::string::npos);
}

TEST_P(Chain, RefusesAPeerOfAnotherIdentity) {
  // Somebody else serves at the company's address, with a certificate of its own for it.
  system_->company().stop();
  SoftTpm tpm(system_->folder() / "other-tpm");
  Agent impostor("company", system_->folder() / "impostor", system_->company().url());
  const Finished made = Command(System::program("coprotect-provision"))
                            .args({"init-agent", "--dir", impostor.folder().string(), "--role", "company",
                                   "--url", impostor.url(), "--token", tpm.uri()})
                            .run();
  ASSERT_EQ(made.exit_code, 0) << made.err;
  ASSERT_TRUE(impostor.start());
  // What the cloud's agent says of it is no verdict of the company's.
  expect_fails("chain:cloud", 4, {"company agent", "could not be asked: cloud agent", "unauthenticated"});
  impostor.stop();
  ASSERT_TRUE(system_->company().start());
  expect_opens("chain:cloud");

  // And the other way round: who is no peer is not heard, whatever it calls itself.
  const AgentsCaller caller(impostor);
  EXPECT_TRUE(
      caller.code(system_->cloud(), "/v1/health"));  // a TLS alert, or a connection that was closed on it
  // Such refusals are counted, and told of within a second or with the next minute's.
  const auto told = [&] {
    return read_file(system_->cloud().log()).find("refused or cut: 127.") != std::string::npos;
  };
  for (int tries = 0; tries < 1200 && !told(); ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(told());
}

TEST_P(Chain, HearsAPeerWhereAgentsSpeakOnly) {
  const AgentsCaller caller(system_->company());
  const std::string key = "/v1/keys/" + read_file(alice_).substr(read_file(alice_).find('"') + 1, 64);
  EXPECT_EQ(caller.code(system_->cloud(), key + "/decrypt", "x"), Code::malformed);
  EXPECT_EQ(caller.code(system_->cloud(), "/v1/peers/state", "x"), Code::malformed);
  for (const std::string& at : {key + "/partial-decrypt", key + "/recovery-share", key + "/log",
                                key + "/drill-report", std::string("/v1/ceremonies")})
    EXPECT_EQ(caller.code(system_->cloud(), at, "x"), Code::denied) << at;
  for (const std::string& at : {std::string("/v1/health"), key, std::string("/v1/tenants/acme/clients")})
    EXPECT_EQ(caller.code(system_->cloud(), at), Code::denied) << at;
}

TEST_P(Chain, SurvivesADeadRelay) {
  expect_opens("chain:cloud");
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(kill(child_of(system_->cloud().daemon().pid(), "coprotect-relay"), SIGKILL), 0);
    bool opened = false;
    for (int tries = 0; tries < 100 && !opened; ++tries) {
      opened = decrypt("chain:cloud").exit_code == 0;
      if (!opened) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    EXPECT_TRUE(opened);
  }
  EXPECT_NE(read_file(system_->cloud().log()).find("coprotect-relay was killed by signal 9"),
            std::string::npos);
}

TEST_P(Chain, CarriesManyAtOnceInBothDirections) {
  // More than either agent has threads: none of them may wait for the other's.
  std::vector<std::jthread> clients;
  std::atomic<int> opened = 0;
  for (int i = 0; i < 12; ++i)
    clients.emplace_back([&, i] {
      const Finished run =
          system_->coprotect(alice_, {"decrypt", file("f.cop"), "-o", file("out" + std::to_string(i)),
                                      "--via", i % 2 == 0 ? "chain:cloud" : "chain:company"});
      if (run.exit_code == 0 && read_file(file("out" + std::to_string(i))) == kContent) ++opened;
    });
  clients.clear();
  EXPECT_EQ(opened, 12);
}

TEST_P(Chain, LoadsARenewedCertificate) {
  Command renew(System::program("coprotect-provision"));
  renew.args({"renew-tls", "--dir", system_->cloud().folder().string()});
  const Finished renewed = renew.run();
  ASSERT_EQ(renewed.exit_code, 0) << renewed.err;
  system_->cloud().daemon().signal(SIGHUP);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  expect_opens("chain:cloud");
  expect_opens("chain:company");
}

}  // namespace
}  // namespace coprotect::harness
