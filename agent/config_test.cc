#include "agent/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <utility>
#include <vector>

#include "swtpm-tests/harness/scratch.h"

namespace coprotect::agent {
namespace {

constexpr const char* kMinimal = R"(
role = "cloud"
url = "https://agent.example:8443"
listen = "0.0.0.0:8443"
token = "tpm:device:/dev/tpmrm0"
[tls]
certificate = "tls.pem"
key = "/etc/keys/tls.key.pem"
)";

class ConfigTest : public testing::Test {
 protected:
  Result<Config> load(const std::string& content) const {
    std::ofstream(folder_ / "agent.toml") << content;
    return Config::load(folder_ / "agent.toml");
  }
  // Expects loading to fail with this in the message.
  void refuses(const std::string& content, const std::string& what) const {
    const auto config = load(content);
    ASSERT_FALSE(config) << content;
    EXPECT_EQ(config.error().code(), Code::malformed);
    EXPECT_NE(config.error().message().find(what), std::string::npos) << config.error().message();
  }
  static std::string minimal_with(const std::string& old, const std::string& replacement) {
    std::string text = kMinimal;
    text.replace(text.find(old), old.size(), replacement);
    return text;
  }

  const harness::Scratch scratch_;
  const std::filesystem::path folder_ = scratch_.path();
};

TEST_F(ConfigTest, SaysHowOftenPeersAreAsked) {
  const auto config = load(std::string(kMinimal) + "[peers]\nevery_seconds = 5\n");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->peers_every, std::chrono::seconds(5));
  refuses(std::string(kMinimal) + "[peers]\nevery_seconds = 0\n", "\"peers.every_seconds\"");
  refuses(std::string(kMinimal) + "[peers]\nnever = 1\n", "\"peers.never\" is not known");
}

TEST_F(ConfigTest, HasDefaults) {
  const auto config = load(kMinimal);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->folder, folder_);
  EXPECT_EQ(config->role, "cloud");
  EXPECT_EQ(config->url, "https://agent.example:8443");
  EXPECT_EQ(config->listen, "0.0.0.0:8443");
  EXPECT_EQ(config->token, "tpm:device:/dev/tpmrm0");
  EXPECT_EQ(config->hold, std::chrono::seconds(300));
  EXPECT_EQ(config->tls.certificate, folder_ / "tls.pem");
  EXPECT_EQ(config->tls.key, "/etc/keys/tls.key.pem");
  EXPECT_EQ(config->limits.request_seconds, 30u);
  EXPECT_EQ(config->peers_every, std::chrono::seconds(60));
  EXPECT_EQ(config->limits.idle_seconds, 60u);
  EXPECT_EQ(config->limits.connections, 1000u);
  EXPECT_EQ(config->limits, Config::Limits{});
  EXPECT_TRUE(config->policy.recover);
  EXPECT_EQ(config->policy.requests.per_key, 100'000u);
  EXPECT_EQ(config->policy.requests.per_client, 20'000u);
  EXPECT_EQ(config->policy.requests.recoveries_per_key, 100'000u);
  EXPECT_FALSE(config->policy.derive);
  EXPECT_EQ(config->policy.handover.delay, std::chrono::hours(24));
  EXPECT_FALSE(config->policy.handover.notify);
}

TEST_F(ConfigTest, ReadsHowLongAnAnnouncedHandoverWaits) {
  const auto config =
      load(std::string(kMinimal) + "[policy.handover]\ndelay_seconds = 5\nnotify = \"/usr/bin/true\"\n");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->policy.handover.delay, std::chrono::seconds(5));
  EXPECT_EQ(config->policy.handover.notify, "/usr/bin/true");
  refuses(std::string(kMinimal) + "[policy.handover]\ndelay_seconds = 0\n",
          "\"policy.handover.delay_seconds\" must be a number from 1 to 7776000");
  refuses(std::string(kMinimal) + "[policy.handover]\nnotify = \"mail\"\n",
          "\"policy.handover.notify\" must be an absolute path");
}

TEST_F(ConfigTest, ReadsWhoMayDerive) {
  const auto config = load(std::string(kMinimal) +
                           "[policy.derive]\nusers = [\"coprotect:acme:user:alice\", "
                           "\"coprotect:acme:admin:bob\"]\ngroups = [\"coprotect:acme:group:mail\"]\n"
                           "tenants = [\"acme-2\"]\npurposes = [\"cms\", \"tls\"]\n"
                           "per_key_per_day = 5\nper_client_per_day = 6\n");
  ASSERT_TRUE(config) << config.error().message();
  ASSERT_TRUE(config->policy.derive);
  const auto& derive = *config->policy.derive;
  EXPECT_EQ(derive.users, (std::set<std::string>{"coprotect:acme:user:alice", "coprotect:acme:admin:bob"}));
  EXPECT_EQ(derive.groups, std::set<std::string>{"coprotect:acme:group:mail"});
  EXPECT_EQ(derive.tenants, std::set<std::string>{"acme-2"});
  EXPECT_EQ(derive.purposes, (std::set<std::string>{"cms", "tls"}));
  EXPECT_EQ(derive.per_key_per_day, 5u);
  EXPECT_EQ(derive.per_client_per_day, 6u);
}

TEST_F(ConfigTest, RefusesAMistakeAboutWhoMayDerive) {
  const std::string derive = std::string(kMinimal) + "[policy.derive]\n";
  refuses(derive, "\"policy.derive.users\" is missing");
  refuses(derive + "users = []\n", "nobody could derive");
  refuses(derive + "user = [\"coprotect:acme:user:alice\"]\n", "\"policy.derive");
  refuses(derive + "users = \"coprotect:acme:user:alice\"\n", "must be a list");
  for (const char* const wrong :
       {"alice", "coprotect:acme:group:mail", "coprotect:acme:recovery:x", "coprotect:Acme:user:alice",
        "coprotect:acme:user:", "coprotect:acme:user:a:b", "coprotect:acme:user", ""})
    refuses(derive + "users = [\"" + wrong + "\"]\n", "\"policy.derive.users\" must be a list");
  refuses(derive + "users = [\"coprotect:acme:user:a\", \"coprotect:acme:user:a\"]\n", "different");
  refuses(derive + "users = [1]\n", "must be a list");
  refuses(derive + "groups = [\"coprotect:acme:user:alice\"]\n", "\"policy.derive.groups\"");
  refuses(derive + "tenants = [\"Acme\"]\n", "\"policy.derive.tenants\"");
  refuses(derive + "tenants = [\"acme\"]\npurposes = [\"\"]\n", "\"policy.derive.purposes\"");
  refuses(derive + "tenants = [\"acme\"]\nper_key_per_day = 0\n", "\"policy.derive.per_key_per_day\"");
}

TEST_F(ConfigTest, ReadsWhatIsGiven) {
  const auto config = load("hold_seconds = 0\n" + std::string(kMinimal) +
                           "[limits]\nrequest_seconds = 1\nidle_seconds = 2\nconnections = 3\n"
                           "[policy]\nrecover = false\nrequests_per_key_per_day = 4\n"
                           "requests_per_client_per_day = 3\nrecoveries_per_key_per_day = 2\n"
                           "refreshes_per_key_per_day = 5\nvoids_per_client_per_day = 6\n"
                           "sole_holder = true\nagents_of_new_keys = 3\n");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->hold, std::chrono::seconds(0));
  EXPECT_EQ(config->limits.request_seconds, 1u);
  EXPECT_EQ(config->limits.idle_seconds, 2u);
  EXPECT_EQ(config->limits.connections, 3u);
  EXPECT_FALSE(config->policy.recover);
  EXPECT_EQ(config->policy.requests.per_key, 4u);
  EXPECT_EQ(config->policy.requests.per_client, 3u);
  EXPECT_EQ(config->policy.requests.recoveries_per_key, 2u);
  EXPECT_EQ(config->policy.requests.refreshes_per_key, 5u);
  EXPECT_EQ(config->policy.requests.voids_per_client, 6u);
  EXPECT_TRUE(config->policy.sole_holder);
  EXPECT_FALSE(load(kMinimal)->policy.sole_holder);
  EXPECT_EQ(config->policy.agents_of_new_keys, 3);
  EXPECT_EQ(load(kMinimal)->policy.agents_of_new_keys, 2);
}

TEST_F(ConfigTest, ReadsEveryLimit) {
  using Limits = Config::Limits;
  const std::vector<std::pair<std::string, std::uint32_t Limits::*>> all = {
      {"request_seconds", &Limits::request_seconds},
      {"idle_seconds", &Limits::idle_seconds},
      {"connections", &Limits::connections},
      {"handshake_seconds", &Limits::handshake_seconds},
      {"connections_for_strangers", &Limits::connections_for_strangers},
      {"connections_per_address", &Limits::connections_per_address},
      {"connections_for_peers", &Limits::connections_for_peers},
      {"requests", &Limits::requests},
      {"requests_per_client", &Limits::requests_per_client},
      {"requests_per_peer", &Limits::requests_per_peer},
      {"requests_per_tenant", &Limits::requests_per_tenant},
      {"body_mib", &Limits::body_mib},
      {"body_mib_per_client", &Limits::body_mib_per_client},
      {"body_mib_per_tenant", &Limits::body_mib_per_tenant},
      {"hang_seconds", &Limits::hang_seconds}};
  ASSERT_EQ(sizeof(Limits), all.size() * sizeof(std::uint32_t)) << "a limit is missing here";
  // Each with a different value.
  Limits expected;
  std::string content = kMinimal + std::string("[limits]\n");
  std::uint32_t value = 10;
  for (const auto& [name, limit] : all) {
    expected.*limit = ++value;
    content += name + " = " + std::to_string(value) + "\n";
  }
  const auto config = load(content);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->limits, expected);
  refuses(kMinimal + std::string("[limits]\nbody_mib_per_tenant = 7\n"),
          "\"limits.body_mib_per_tenant\" must be a number from 8");
  refuses(kMinimal + std::string("[limits]\nbody_mib_per_client = 7\n"),
          "\"limits.body_mib_per_client\" must be a number from 8");
  refuses(kMinimal + std::string("[limits]\nhandshake_seconds = 0\n"),
          "\"limits.handshake_seconds\" must be a number from 1");
}

TEST_F(ConfigTest, ReadsHowLongAKeyWaitsForItsDestruction) {
  EXPECT_EQ(load(kMinimal)->policy.destroy_wait, std::chrono::days(30));
  const std::string policy = std::string(kMinimal) + "[policy]\n";
  EXPECT_EQ(load(policy + "destroy_days = 90\n")->policy.destroy_wait, std::chrono::days(90));
  EXPECT_EQ(load(policy + "destroy_seconds = 2\n")->policy.destroy_wait, std::chrono::seconds(2));
  refuses(policy + "destroy_days = 90\ndestroy_seconds = 2\n", "\"policy.destroy_seconds\" stands beside");
  refuses(policy + "destroy_days = -1\n", "\"policy.destroy_days\" must be a number");
}

TEST_F(ConfigTest, NamesAnUnknownKey) {
  refuses("rolle = \"x\"\n" + std::string(kMinimal), "\"rolle\" is not known");
  refuses(kMinimal + std::string("[limits]\nconnection = 3\n"), "\"limits.connection\" is not known");
  refuses(kMinimal + std::string("[tsl]\n"), "\"tsl\" is not known");
  refuses(kMinimal + std::string("more = 1\n"), "\"tls.more\" is not known");
}

TEST_F(ConfigTest, NamesAMissingKey) {
  for (const std::string key : {"role", "url", "listen", "token"})
    refuses(minimal_with(key + " =", "# "), "\"" + key + "\" is missing");
  refuses(minimal_with("certificate =", "# "), "\"tls.certificate\" is missing");
  refuses(minimal_with("key =", "# "), "\"tls.key\" is missing");
  refuses("", "is missing");
}

TEST_F(ConfigTest, NamesAnImpossibleValue) {
  refuses(minimal_with("\"cloud\"", "3"), "\"role\" must be a text");
  refuses(minimal_with("\"cloud\"", "\"Cloud!\""), "\"role\" must be");
  refuses(minimal_with("\"cloud\"", "\"\""), "\"role\" must be a text");
  refuses("hold_seconds = -1\n" + std::string(kMinimal), "\"hold_seconds\" must be a number");
  refuses("hold_seconds = 1.5\n" + std::string(kMinimal), "\"hold_seconds\" must be a number");
  refuses("hold_seconds = \"1\"\n" + std::string(kMinimal), "\"hold_seconds\" must be a number");
  refuses(kMinimal + std::string("[limits]\nconnections = 0\n"),
          "\"limits.connections\" must be a number from 2");
  refuses(kMinimal + std::string("[policy]\nrecover = 1\n"), "\"policy.recover\" must be true or false");
  refuses("policy = 1\n" + std::string(kMinimal), "\"policy\" must be a table");
}

TEST_F(ConfigTest, NamesTheLineThatIsNotToml) {
  refuses("role = \"cloud\"\nurl = \n", "line 2");
}

TEST_F(ConfigTest, NamesAFileThatIsNotThere) {
  const auto config = Config::load(folder_ / "none.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code(), Code::not_found);
  EXPECT_NE(config.error().message().find("none.toml"), std::string::npos);
}

}  // namespace
}  // namespace coprotect::agent
