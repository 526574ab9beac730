#include "agent/check.h"

#include <gtest/gtest.h>

#include "protocol/x509/test_ca.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::agent {
namespace {

using protocol::kHour;
using protocol::kNow;

// An agent without programs and without a keyring: what is found before the token is asked.
class CheckTest : public testing::Test {
 protected:
  CheckTest() {
    std::filesystem::create_directory(folder_ / "state");
    harness::write_file(folder_ / "agent.toml",
                        "role = \"cloud\"\nurl = \"https://agent.example:8443\"\nlisten = \"127.0.0.1:0\"\n"
                        "token = \"tpm:none\"\n[tls]\ncertificate = \"tls.pem\"\nkey = \"tls.key.pem\"\n"
                        "[policy.handover]\nnotify = \"/nonexistent/notify\"\n");
    harness::write_file(folder_ / "identity.pem", identity_.certificate.pem());
    harness::write_file(folder_ / "organisation", "");
    const auto tls = *protocol::issue_certificate({.common_name = "cloud",
                                                   .use = protocol::CertificateUse::agent,
                                                   .uris = {},
                                                   .hosts = {"agent.example"},
                                                   .not_before_ms = kNow - kHour,
                                                   .not_after_ms = kNow + 1000 * kHour},
                                                  tls_key_.public_key(), &identity_.certificate,
                                                  identity_.key, system_random());
    harness::write_file(folder_ / "tls.pem", tls.pem());
    write_key(tls_key_);
  }
  void write_key(const protocol::SigningKey& key) {
    const auto file = folder_ / "tls.key.pem";
    harness::write_file(file, std::string(text_of(key.to_pem().reveal())));
    std::filesystem::permissions(file, std::filesystem::perms::owner_read);
  }
  std::string found(std::int64_t now_ms = kNow) const {
    std::string lines;
    for (const Finding& finding : check(folder_ / "agent.toml", folder_ / "programs", now_ms))
      lines += finding.line() + '\n';
    return lines;
  }
  static bool has(const std::string& lines, const std::string& part) {
    return lines.find(part) != std::string::npos;
  }

  harness::Scratch folder_;
  protocol::TestCa identity_;
  protocol::SigningKey tls_key_ = protocol::SigningKey::generate(system_random());
};

TEST_F(CheckTest, NamesTheProgramsThatAreMissing) {
  const std::string lines = found();
  for (const char* const name : {"coprotect-starter\"", "coprotect-front\"", "coprotect-relay\"",
                                 "coprotect-token\"", "/nonexistent/notify\""})
    EXPECT_TRUE(has(lines, name)) << name << " is not in:\n" << lines;
  EXPECT_FALSE(has(lines, "certificate \"")) << lines;
}

TEST_F(CheckTest, NamesCertificatesThatExpiredOrWillSoon) {
  EXPECT_TRUE(has(found(), "note: certificate identity.pem: it expires on "));
  const std::string later = found(kNow + 2000 * kHour);
  EXPECT_TRUE(has(later, "fault: certificate identity.pem: it expired on ")) << later;
  EXPECT_TRUE(has(later, "tls.pem\": it expired on ")) << later;
  EXPECT_TRUE(has(later, "coprotect-provision renew-tls --dir ")) << later;
}

TEST_F(CheckTest, NamesAClockThatIsBehind) {
  EXPECT_TRUE(has(found(kNow - 2000 * kHour), "fault: clock: it shows a time before identity.pem began, "));
}

TEST_F(CheckTest, NamesATlsCertificateOfAnotherAgent) {
  const protocol::TestCa other("another");
  harness::write_file(folder_ / "identity.pem", other.certificate.pem());
  EXPECT_TRUE(has(found(), "fault: certificate \"" + (folder_ / "tls.pem").string())) << found();
}

TEST_F(CheckTest, NamesATlsKeyThatIsNotTheCertificates) {
  std::filesystem::remove(folder_ / "tls.key.pem");
  write_key(identity_.key);
  EXPECT_TRUE(has(found(), "the TLS key is not the certificate's")) << found();
}

TEST_F(CheckTest, IsOneLineOfWhatOthersWrote) {
  const Finding finding{true, "peer \"a\nb\x1b[2J\"", "cause", "step"};
  EXPECT_EQ(finding.line(), "fault: peer \"a?b?[2J\": cause; to mend it: step");
}

TEST_F(CheckTest, EndsWithAConfigurationThatCannotBeRead) {
  harness::write_file(folder_ / "agent.toml", "role = 7");
  const auto all = check(folder_ / "agent.toml", folder_.path(), kNow);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_TRUE(has(all[0].line(), "\"role\" must be a text")) << all[0].line();
}

}  // namespace
}  // namespace coprotect::agent
