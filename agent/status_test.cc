#include "agent/status.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/custodian/store.h"
#include "agent/status_report.h"
#include "protocol/base/test_must.h"
#include "protocol/file/utc_time.h"
#include "swtpm-tests/harness/process.h"
#include "swtpm-tests/harness/scratch.h"

namespace coprotect::agent {
namespace {

constexpr std::int64_t kReportedMs = 1'800'000'000'000;

class StatusTest : public testing::Test {
 protected:
  StatusTest() {
    std::filesystem::create_directory(folder_ / "state");
    harness::write_file(folder_ / "agent.toml",
                        "role = \"cloud\"\nurl = \"https://agent.example:8443\"\nlisten = \"[::]:1\"\n"
                        "token = \"pkcs11:token=t?pin-value=12345678\"\n"
                        "[tls]\ncertificate = \"tls.pem\"\nkey = \"key.pem\"\n");
  }
  AgentStatus status(std::int64_t now_ms = kReportedMs) const {
    return status_of(must(Config::load(folder_ / "agent.toml")), now_ms);
  }
  void report(const std::string& content) const {
    harness::write_file(folder_ / "state/status.json", content);
  }
  void report(nlohmann::json members) const {
    members["time"] = protocol::format_utc_time(kReportedMs);
    report(members.dump());
  }
  static void expect_shown(const AgentStatus& status, std::string_view part) {
    EXPECT_NE(status.text.find(part), std::string::npos) << part << " is not in:\n" << status.text;
  }

  harness::Scratch folder_;
};

TEST_F(StatusTest, SaysThatAnAgentIsStopped) {
  report({{"store", "ok"}});
  const auto stopped = status();
  EXPECT_EQ(exit_code_of(stopped, kReportedMs), kStatusStopped);
  expect_shown(stopped, "does not run");
  expect_shown(stopped, "store: ok");
}

TEST_F(StatusTest, SaysThatAReportIsOldOrMissing) {
  const auto store = must(custodian::Store::open(folder_ / "state" / "store.db"));
  const auto missing = status();
  EXPECT_TRUE(missing.runs);
  EXPECT_EQ(exit_code_of(missing, kReportedMs), kStatusUnknown);
  report({{"store", "ok"}});
  EXPECT_EQ(exit_code_of(status(), kReportedMs), kStatusRuns);
  const std::int64_t later = kReportedMs + 61'000;
  EXPECT_EQ(exit_code_of(status(later), later), kStatusUnknown);
  expect_shown(status(later), "it is old");
}

// The report is the custodian's, and its texts may be of others.
TEST_F(StatusTest, ShowsNothingThatActsOnATerminal) {
  report({{"store", "\x1b[2J\r\n"}, {"peers", {{{"party", "a\x1b]0;b\x07"}, {"url", "\u202egnp"}}}}});
  const auto shown = status();
  for (const std::string& text : {shown.text, shown.json}) {
    EXPECT_EQ(text.find_first_of("\x1b\x07\r"), std::string::npos) << text;
    EXPECT_EQ(text.find("\u202e"), std::string::npos) << text;
  }
  expect_shown(shown, "store: ?[2J??");
}

TEST_F(StatusTest, TakesNoReportOfAnotherForm) {
  for (const std::string& content :
       {std::string(), std::string("[]"), std::string("{"),
        std::string("{\"keys\": [1, \"x\", {\"holders\": 7}]}"),
        "{\"keys\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}",
        std::string("{\"limits\": \"x\", \"token\": [], \"time\": 7}")}) {
    report(content);
    const auto shown = status();
    EXPECT_FALSE(shown.reported_ms) << content.substr(0, 100);
    expect_shown(shown, "agent cloud at https://agent.example:8443");
  }
}

TEST_F(StatusTest, FollowsNoLinkInTheState) {
  harness::write_file(folder_ / "elsewhere", R"({"store": "of another"})");
  std::filesystem::create_symlink(folder_ / "elsewhere", folder_ / "state/status.json");
  EXPECT_EQ(status().text.find("of another"), std::string::npos);
}

// Root may look at an agent whose user was taken over.
TEST_F(StatusTest, NeitherWaitsForAFifoNorReadsWithoutEnd) {
  const auto certificate = folder_ / "tls.pem";
  std::filesystem::remove(certificate);
  ASSERT_EQ(mkfifo(certificate.c_str(), 0600), 0);
  EXPECT_FALSE(status().text.empty());
  for (const char* const target : {"/dev/zero", "/"}) {
    std::filesystem::remove(certificate);
    std::filesystem::create_symlink(target, certificate);
    EXPECT_FALSE(status().text.empty()) << target;
  }
}

TEST_F(StatusTest, ShowsNoPin) {
  EXPECT_EQ(status().text.find("12345678"), std::string::npos);
  EXPECT_EQ(status().json.find("12345678"), std::string::npos);
}

TEST_F(StatusTest, IsReportedAtOnceAndNotEachSecond) {
  int times = 0;
  StatusReport writer(folder_ / "state/status.json", [&] {
    ++times;
    return std::string("{}");
  });
  EXPECT_EQ(writer.sweep(), "");
  EXPECT_EQ(writer.sweep(), "");
  EXPECT_EQ(times, 1);
  EXPECT_EQ(harness::read_file(folder_ / "state/status.json"), "{}");
  StatusReport failing(folder_ / "no-folder/status.json", [] { return std::string("{}"); });
  EXPECT_NE(failing.sweep(), "");
}

}  // namespace
}  // namespace coprotect::agent
