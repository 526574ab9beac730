#include "client/config.h"

#include <gtest/gtest.h>

#include <fstream>

#include "swtpm-tests/harness/scratch.h"

namespace coprotect::client {
namespace {

class ConfigTest : public testing::Test {
 protected:
  Result<Config> read(const std::string& text) const {
    std::ofstream(folder_ / "config.toml") << text;
    return read_config(folder_ / "config.toml");
  }
  std::string refusal(const std::string& text) const {
    const auto config = read(text);
    if (config) return "";
    EXPECT_EQ(config.error().code(), Code::malformed);
    return config.error().message();
  }

  const harness::Scratch scratch_;
  const std::filesystem::path folder_ = scratch_.path();
  const std::string whole_ =
      "key_id = \"" + std::string(64, 'a') +
      "\"\nbundle = \"acme.bundle\"\ncertificate = \"alice.pem\"\nkey = \"/keys/alice.pem\"\n";
};

TEST_F(ConfigTest, TakesPathsFromItsFolder) {
  const auto config = read(whole_);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->bundle, folder_ / "acme.bundle");
  EXPECT_EQ(config->key, "/keys/alice.pem");
  EXPECT_EQ(to_hex(config->key_id), std::string(64, 'a'));
  EXPECT_EQ(config->deadline, std::chrono::seconds(30));
  EXPECT_EQ(read(whole_ + "deadline_seconds = 5\n")->deadline, std::chrono::seconds(5));
}

TEST_F(ConfigTest, SaysHowAgentsAreReached) {
  EXPECT_FALSE(read(whole_)->via.chain);
  EXPECT_FALSE(read(whole_ + "via = \"parallel\"\n")->via.chain);
  EXPECT_TRUE(read(whole_ + "via = \"chain\"\n")->via.chain);
  EXPECT_FALSE(read(whole_ + "via = \"chain\"\n")->via.first);
  EXPECT_EQ(read(whole_ + "via = \"chain:company\"\n")->via.first, "company");
  for (const char* const bad : {"1", "\"\"", "\"chains\"", "\"chain:\"", "\"chain:The Company\"", "true"})
    EXPECT_NE(refusal(whole_ + "via = " + bad + "\n").find("\"via\""), std::string::npos) << bad;
}

TEST_F(ConfigTest, RefusesOtherEntries) {
  EXPECT_NE(refusal(whole_ + "bundles = \"x\"\n").find("unknown entry \"bundles\""), std::string::npos);
  EXPECT_NE(refusal(whole_ + "[bundle2]\n"), "");
  EXPECT_NE(refusal(whole_ + "deadline_seconds = 0\n"), "");
  EXPECT_NE(refusal(whole_ + "deadline_seconds = \"5\"\n"), "");
  EXPECT_NE(refusal(whole_ + "key = \"twice\"\n"), "");
  EXPECT_NE(refusal("not toml"), "");
}

TEST_F(ConfigTest, SaysWhatOtherProgramsNeedOfAKey) {
  const auto config =
      read(whole_ + "purpose = \"cms\"\n[keys.mail]\nkey_id = \"" + std::string(64, 'b') +
           "\"\nbundle = \"mail.bundle\"\npurpose = \"mail\"\nencryption_certificate = \"mail.pem\"\n");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->purpose, "cms");
  EXPECT_FALSE(config->encryption_certificate);
  const auto mail = find_key(*config, "mail");
  ASSERT_TRUE(mail);
  EXPECT_EQ(mail->purpose, "mail");
  EXPECT_EQ(mail->encryption_certificate, folder_ / "mail.pem");
  EXPECT_NE(refusal(whole_ + "purpose = 5\n"), "");
  EXPECT_NE(refusal(whole_ + "purpose = \"" + std::string(256, 'x') + "\"\n"), "");
  EXPECT_NE(refusal(whole_ + "encryption_certificate = \"\"\n"), "");
}

TEST_F(ConfigTest, RefusesMissingEntries) {
  EXPECT_NE(refusal(""), "");
  for (const char* const name : {"key_id", "bundle", "certificate", "key ="}) {
    std::string text = whole_;
    const auto at = text.find(name);
    text.erase(at, text.find('\n', at) - at);
    EXPECT_NE(refusal(text), "") << name;
  }
  EXPECT_NE(refusal("key_id = \"abcd\"\n" + whole_.substr(whole_.find('\n'))), "");
}

TEST_F(ConfigTest, NamesFurtherKeys) {
  const std::string id(64, 'b');
  const std::string further = "[keys.mail-2]\nkey_id = \"" + id + "\"\nbundle = \"mail.bundle\"\n";
  const auto config = read(whole_ + further);
  ASSERT_TRUE(config) << config.error().message();
  ASSERT_EQ(config->keys.size(), 1u);
  const auto mail = find_key(*config, "mail-2");
  ASSERT_TRUE(mail);
  EXPECT_EQ(mail->bundle, folder_ / "mail.bundle");
  EXPECT_EQ(to_hex(mail->key_id), id);
  EXPECT_EQ(find_key(*config, "")->bundle, config->bundle);
  const auto none = find_key(*config, "mail");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Code::not_found);

  EXPECT_NE(refusal(whole_ + further + "certificate = \"x.pem\"\n").find("unknown entry \"certificate\""),
            std::string::npos);
  EXPECT_NE(refusal(whole_ + "[keys.mail]\nbundle = \"mail.bundle\"\n").find("key \"mail\""),
            std::string::npos);
  EXPECT_NE(refusal(whole_ + "[keys.mail]\nkey_id = \"" + id + "\"\n").find("bundle"), std::string::npos);
  EXPECT_NE(refusal(whole_ + "[keys.Mail]\nkey_id = \"" + id + "\"\nbundle = \"x\"\n"), "");
  EXPECT_NE(refusal("keys = 1\n" + whole_), "");
  EXPECT_NE(refusal(whole_ + "[keys]\nmail = 1\n"), "");
}

TEST_F(ConfigTest, SaysThatThereIsNone) {
  const auto config = read_config(folder_ / "none.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code(), Code::not_found);
}

}  // namespace
}  // namespace coprotect::client
