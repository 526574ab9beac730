// Keys of purpose derive against live agents with two chips: the secret is the one that OpenSSL computes on
// the peer's side, and nobody gets it whom an agent's policy does not allow.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "client/derivation.h"
#include "client/files/small_file.h"
#include "client/recovery.h"
#include "protocol/crypto/hash.h"
#include "swtpm-tests/derive/peer.h"
#include "swtpm-tests/harness/system.h"

namespace coprotect::harness {
namespace {

using client::Derivation;
using nlohmann::json;

constexpr const char* kPolicy =
    "users = [\"coprotect:acme:user:alice\", \"coprotect:acme:user:carol\"]\n"
    "purposes = [\"cms\", \"a test\"]\n"
    "per_client_per_day = 3\n";

class Derive : public testing::TestWithParam<protocol::SuiteId> {
 protected:
  void SetUp() override { begin(System::Options{}.derive_policy); }
  void begin(const std::string& policy) {
    system_ = std::make_unique<System>(System::Options{
        .suite = std::string(protocol::suite_name(GetParam())), .derive_key = true, .derive_policy = policy});
    if (HasFailure()) GTEST_FAIL() << "no system";
    alice_ = system_->add_client("alice");
  }

  static Derivation key_of(const std::filesystem::path& config, const std::string& purpose = "cms") {
    auto read = client::read_config(config);
    EXPECT_TRUE(read) << read.error().message();
    auto opened = Derivation::open(*read, "derive", purpose);
    EXPECT_TRUE(opened) << opened.error().message();
    return *std::move(opened);
  }
  // How the agents refuse this client a derivation; "ok" if they do not.
  std::string code(const std::filesystem::path& config, const std::string& purpose = "cms") {
    const auto secret = key_of(config, purpose).shared_secret(Peer(GetParam()).public_value());
    if (!secret) message_ = secret.error().message();
    return secret ? "ok" : std::string(code_name(secret.error().code()));
  }
  // What an agent recorded of derivations.
  std::vector<json> records(const std::string& party) const {
    const Finished run =
        system_->provision({"log", "--dir", system_->out().string(), "--party", party, "--json"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    std::vector<json> found;
    std::istringstream lines(run.out);
    for (std::string line; std::getline(lines, line);) {
      const json entry = json::parse(line);
      if (entry.value("detail", "").starts_with("derive")) found.push_back(entry);
    }
    return found;
  }

  std::unique_ptr<System> system_;
  std::filesystem::path alice_;
  std::string message_;
};
INSTANTIATE_TEST_SUITE_P(Suites, Derive,
                         testing::Values(protocol::SuiteId::p256, protocol::SuiteId::ffdhe3072),
                         [](const auto& instance) { return std::string(suite_name(instance.param)); });

TEST_P(Derive, IsDiffieHellmanAsOpenSslKnowsIt) {
  Derivation key = key_of(alice_);
  const Bytes joint = client::public_value(key.bundle());
  for (int i = 0; i < 3; ++i) {
    const Peer peer(GetParam());
    const auto secret = key.shared_secret(peer.public_value());
    ASSERT_TRUE(secret) << secret.error().message();
    EXPECT_TRUE(equal_in_constant_time(*secret, peer.shared_secret(joint)));
  }

  // Both agents recorded each of them, before and after.
  const Peer last(GetParam());
  ASSERT_TRUE(key.shared_secret(last.public_value()));
  const auto element = client::parse_peer(key.bundle().group(), last.public_value());
  for (const std::string party : {"cloud", "company"}) {
    const auto found = records(party);
    ASSERT_EQ(found.size(), 8u);
    EXPECT_EQ(found[6]["kind"], "intent");
    EXPECT_EQ(found[7]["kind"], "result");
    for (const json& entry : {found[6], found[7]}) {
      EXPECT_EQ(entry["detail"], "derive");
      EXPECT_EQ(entry["outcome"], "ok");
      EXPECT_EQ(entry["client"], "coprotect:acme:user:alice");
      EXPECT_EQ(entry["reason"], "cms");
      EXPECT_EQ(entry["key_id"], to_hex(key.bundle().key_id()));
      ASSERT_EQ(entry["items"].size(), 1u);
      EXPECT_EQ(entry["items"][0]["c1_hash"], to_hex(protocol::sha256(element->encode())));
    }
  }
}

TEST_P(Derive, GoesThroughOneAgent) {
  write_file(alice_, "via = \"chain:company\"\n" + read_file(alice_));
  Derivation key = key_of(alice_);
  const Peer peer(GetParam());
  const auto secret = key.shared_secret(peer.public_value());
  ASSERT_TRUE(secret) << secret.error().message();
  EXPECT_TRUE(equal_in_constant_time(*secret, peer.shared_secret(client::public_value(key.bundle()))));
  const auto cloud = records("cloud");
  const auto company = records("company");
  ASSERT_EQ(cloud.size(), 2u);
  ASSERT_EQ(company.size(), 2u);
  EXPECT_EQ(cloud[1]["request_hash"], company[1]["request_hash"]);
}

TEST_P(Derive, KeepsFilesAndDerivationsApart) {
  const std::filesystem::path plain = system_->folder() / "plain";
  write_file(plain, "still readable");
  Finished run = system_->coprotect(
      alice_, {"encrypt", "--bundle", system_->bundle("derive").string(), "--key-id",
               to_hex(key_of(alice_).bundle().key_id()), plain.string(), "-o", plain.string() + ".cop"});
  EXPECT_EQ(run.exit_code, 3) << run.err;
  EXPECT_NE(run.err.find("purpose derive: it encrypts no files"), std::string::npos) << run.err;
  EXPECT_FALSE(std::filesystem::exists(plain.string() + ".cop"));

  run = system_->coprotect(alice_, {"encrypt", plain.string()});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  run = system_->coprotect(alice_, {"decrypt", plain.string() + ".cop", "-o", plain.string() + ".again"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(read_file(plain.string() + ".again"), "still readable");

  const auto config = client::read_config(alice_);
  ASSERT_TRUE(config);
  const auto opened = Derivation::open(*config, "", "cms");  // the key for files
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::denied);
}

TEST_P(Derive, NeedsBothAgentsOrTheRecoveryShare) {
  Derivation key = key_of(alice_);
  const Peer peer(GetParam());
  const Secret expected = peer.shared_secret(client::public_value(key.bundle()));
  system_->cloud().stop();
  const auto alone = key.shared_secret(peer.public_value());
  ASSERT_FALSE(alone);
  EXPECT_EQ(alone.error().code(), Code::unavailable);
  EXPECT_NE(alone.error().message().find("cloud agent"), std::string::npos) << alone.error().message();

  const auto encoded = client::read_small_file(system_->kit("derive"), std::size_t{1} << 20);
  ASSERT_TRUE(encoded);
  const auto kit = protocol::RecoveryKit::parse(*encoded);
  ASSERT_TRUE(kit);
  auto opened =
      client::open_blob(kit->blob(), key.bundle(), Secret::copy_of(bytes_of(system_->code("derive"))));
  ASSERT_TRUE(opened) << opened.error().message();
  auto credentials = client::open_kit_key(*kit, opened->recovery_key);
  ASSERT_TRUE(credentials) << credentials.error().message();
  auto share = opened->share.in(key.bundle(), *credentials, std::chrono::seconds(30));
  ASSERT_TRUE(share) << share.error().message();
  auto recovery = Derivation::make(key.bundle(), *std::move(credentials), protocol::Action::recover,
                                   "the cloud is gone", std::chrono::seconds(30), *std::move(share));
  ASSERT_TRUE(recovery);
  const auto secret = recovery->shared_secret(peer.public_value());
  ASSERT_TRUE(secret) << secret.error().message();
  EXPECT_TRUE(equal_in_constant_time(*secret, expected));

  ASSERT_TRUE(system_->cloud().start());
  const auto again = key.shared_secret(peer.public_value());
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_TRUE(equal_in_constant_time(*again, expected));
}

class DeriveByPolicy : public Derive {
  void SetUp() override { begin(kPolicy); }
};
INSTANTIATE_TEST_SUITE_P(Suites, DeriveByPolicy,
                         testing::Values(protocol::SuiteId::p256, protocol::SuiteId::ffdhe3072),
                         [](const auto& instance) { return std::string(suite_name(instance.param)); });

TEST_P(DeriveByPolicy, IsForThoseWhomTheAgentsAllow) {
  const auto bob = system_->add_client("bob");
  EXPECT_EQ(code(bob), "denied");
  EXPECT_NE(message_.find("does not allow \"coprotect:acme:user:bob\" to derive"), std::string::npos)
      << message_;
  EXPECT_EQ(code(alice_, "tls"), "denied");
  EXPECT_NE(message_.find("the purpose \"tls\""), std::string::npos) << message_;

  for (int i = 0; i < 3; ++i) EXPECT_EQ(code(alice_), "ok") << message_;
  EXPECT_EQ(code(alice_), "limited");
  EXPECT_NE(message_.find("the client's 3 derivations of today"), std::string::npos) << message_;
  for (Agent* const agent : {&system_->cloud(), &system_->company()}) {
    agent->kill();
    ASSERT_TRUE(agent->start());
  }
  EXPECT_EQ(code(alice_), "limited");
  EXPECT_EQ(code(system_->add_client("carol"), "a test"), "ok") << message_;

  // What was refused stands in both records, too.
  for (const std::string party : {"cloud", "company"}) {
    std::map<std::string, int> outcomes;
    for (const json& entry : records(party))
      if (entry["kind"] == "refusal") ++outcomes[entry["outcome"]];
    EXPECT_EQ(outcomes, (std::map<std::string, int>{{"denied", 2}, {"limited", 2}})) << party;
  }
}

TEST_P(DeriveByPolicy, IsForNobodyWithoutOne) {
  system_->company().stop();
  std::string config = read_file(system_->company().config());
  config.erase(config.find("[policy.derive]"));
  write_file(system_->company().config(), config);
  ASSERT_TRUE(system_->company().start());
  EXPECT_EQ(code(alice_), "denied");
  EXPECT_NE(message_.find("company agent"), std::string::npos) << message_;
  EXPECT_NE(message_.find("allows nobody to derive"), std::string::npos) << message_;
}

}  // namespace
}  // namespace coprotect::harness
