// A handover that was taken back after all its parties had confirmed it: its version is fully signed, and a
// hostile agent shows it to clients for ever. No client is locked out by it.

#include <atomic>

#include "client/config.h"
#include "client/enrolment.h"
#include "client/tls_server.h"
#include "protocol/base/test_must.h"
#include "protocol/recovery/kit.h"
#include "swtpm-tests/lifecycle/lifecycle.h"

namespace coprotect::harness {
namespace {

// In the place of an agent whose TLS key it has: says that the key is in another epoch, and shows the bundle
// that the test gives it.
class ShowingAgent {
 public:
  ShowingAgent(const Agent& agent, Bytes bundle)
      : key_(must(protocol::SigningKey::from_pem(bytes_of(read_file(agent.folder() / "tls.key.pem"))))),
        bundle_(std::move(bundle)),
        server_(
            {.certificate =
                 must(protocol::Certificate::parse_pem(bytes_of(read_file(agent.folder() / "tls.pem")))),
             .key = &key_},
            [this](const std::string& request) { return answer(request); },
            client::TlsListener(agent.url())) {}

  int shown() const { return shown_; }
  int asked() const { return asked_; }

 private:
  std::string answer(const std::string& request) {
    if (request.starts_with("GET /v1/keys/")) {
      ++shown_;
      return client::http_answer("200 OK", "application/octet-stream", std::string(text_of(bundle_)));
    }
    ++asked_;
    return client::http_answer("409 Conflict", "application/problem+json",
                               R"({"code":"conflict","detail":"the key is in a newer epoch"})");
  }

  const protocol::SigningKey key_;
  const Bytes bundle_;
  std::atomic<int> shown_ = 0;
  std::atomic<int> asked_ = 0;
  client::TlsServer server_;
};

class LifecycleTakenBack : public testing::TestWithParam<std::string> {
 protected:
  std::string out() const { return system.out().string(); }
  // A new code that all have confirmed and nobody begins to use, since the tool dies.
  void die_before_it_is_used() {
    const Finished died =
        system.hand_over({"new-code", "--dir", out()}, true, System::fault_program("coprotect-provision"),
                         {"COPROTECT_FAULT_AT=before send handover activate to cloud"});
    ASSERT_EQ(died.exit_code, 128 + SIGKILL) << died.out << died.err;
    system.keep_code(code);
  }
  Bytes committed_bundle() const {
    const std::string kit = read_file(system.out() / ".handover" / "acme.kit");
    return must(protocol::RecoveryKit::parse(bytes_of(kit))).bundle();
  }
  // By an administrator at the provider, who knows nothing of the new code.
  void take_back() {
    const auto provider = system.folder() / "provider";
    std::filesystem::create_directory(provider);
    const auto config = system.add_client("operations", {"--role", "admin"});
    std::filesystem::rename(config.parent_path(), provider / "admin");
    std::filesystem::copy_file(system.bundle(), provider / "acme.bundle");
    EXPECT_TRUE(done(system.provision({"abort", "--dir", provider.string()})));
  }

  System system{{.suite = GetParam(), .handover_policy = "delay_seconds = 1\n"}};
  const KeptFile file{system};
  const std::string code = system.code();
};
INSTANTIATE_TEST_SUITE_P(Suites, LifecycleTakenBack, testing::Values("p256", "ffdhe3072"),
                         [](const auto& suite) { return suite.param; });

TEST_P(LifecycleTakenBack, LocksNobodyOut) {
  // They are an epoch behind, so that the company's agent sends them for a newer bundle.
  const auto alice = system.add_client("alice");
  const auto bob = system.add_client("bob");
  ASSERT_TRUE(done(system.provision({"refresh", "--dir", out()})));
  die_before_it_is_used();
  if (HasFatalFailure()) return;
  const Bytes taken_back = committed_bundle();
  const std::string void_kit = read_file(system.out() / ".handover" / "acme.kit");
  take_back();
  const auto kept = must(client::read_config(alice)).bundle;

  system.cloud().stop();
  {
    const ShowingAgent hostile(system.cloud(), taken_back);
    EXPECT_FALSE(file.opens(alice));
    EXPECT_EQ(hostile.shown(), 1);
    EXPECT_LE(hostile.asked(), 3);
    EXPECT_EQ(read_file(kept), read_file(system.bundle())) << "what the company's agent shows, too";
  }
  ASSERT_TRUE(system.cloud().start());
  EXPECT_TRUE(file.opens(alice));
  EXPECT_TRUE(file.opens(alice, "chain:cloud"));

  // It is hostile again, so another one replaces it.
  system.cloud().stop();
  const ShowingAgent hostile(system.cloud(), taken_back);
  EXPECT_FALSE(file.opens(alice));
  Agent& other = system.add_agent("cloud", "other-cloud", true, false);
  std::vector<std::string> args = {
      "reshare", "--dir", out(), "--invitation", other.invitation().string(), "--kit", system.kit().string()};
  const auto reshare = [&] { return system.hand_over(args); };
  const Finished unknown = reshare();
  const std::string marker = "--allow-quorum '";
  const std::size_t from = unknown.err.find(marker);
  ASSERT_NE(from, std::string::npos) << unknown.err;
  const std::size_t begin = from + marker.size();
  args.insert(args.end(),
              {"--allow-quorum", unknown.err.substr(begin, unknown.err.find('\'', begin) - begin)});
  ASSERT_TRUE(done(reshare()));
  EXPECT_TRUE(file.opens(alice)) << "who was shown it";
  EXPECT_TRUE(file.opens(bob)) << "who was not";
  // The void code's kit is kept: only agents say that it is void.
  bool kept_kit = false;
  for (const char* const place : {".handover", "taken-back-1"})
    kept_kit |= read_file(system.out() / place / "acme.kit") == void_kit;
  EXPECT_TRUE(kept_kit);
}

// Somebody else takes the new code's handover back, and refreshes. The agents show nothing of that code any
// more, and its kit replaces nothing.
TEST_P(LifecycleTakenBack, AnotherHandoverMakesNoVoidCodeValid) {
  const auto old_kit = system.folder() / "old.kit";
  std::filesystem::copy_file(system.kit(), old_kit);
  die_before_it_is_used();
  if (HasFatalFailure()) return;
  take_back();
  ASSERT_TRUE(done(system.provision({"refresh", "--dir", (system.folder() / "provider").string()})));
  const Finished repeated = system.hand_over({"new-code", "--dir", out()}, true);
  ASSERT_TRUE(done(repeated));
  EXPECT_NE(repeated.err.find("is void"), std::string::npos) << repeated.err;
  EXPECT_EQ(repeated.err.find("lied"), std::string::npos) << repeated.err;
  EXPECT_TRUE(std::filesystem::exists(system.out() / "taken-back-1" / "acme.kit"));
  EXPECT_TRUE(file.recovers()) << "with the second new code";
  EXPECT_FALSE(file.recovers(old_kit, code));
}

}  // namespace
}  // namespace coprotect::harness
