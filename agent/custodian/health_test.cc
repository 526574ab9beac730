#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/custodian/testing/asking.h"
#include "agent/custodian/testing/pair.h"
#include "protocol/base/test_must.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"
#include "swtpm-tests/harness/soft_tpm.h"

// What health says, beside what a probe of the token would.
namespace coprotect::agent::custodian {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr const char* kSince = "has not answered since";

bool contains(const nlohmann::json& text, std::string_view part) {
  return text.get<std::string>().find(part) != std::string::npos;
}

// The cloud's agent was started again: it holds no share in memory.
class HealthTest : public ::testing::Test {
 protected:
  void onboard(const hsm::TokenConfig& token) {
    pair = std::make_unique<testing::Pair>(scratch.path(), token, protocol::SuiteId::p256);
    pair->onboard();
    pair->cloud.close();
    pair->cloud.open();
  }
  nlohmann::json health() {
    const Bytes report = must(pair->cloud.call(ipc::Route::health, "", pair->admin.certificate.der(), {}));
    return nlohmann::json::parse(report.begin(), report.end());
  }
  Result<protocol::PartialReply> decrypt() {
    const auto file = testing::encrypt(pair->bundle());
    return testing::partials(pair->cloud, pair->bundle(), pair->ask_for(pair->cloud, {&file}), pair->alice);
  }
  void expect_failing(std::string_view why) {
    const auto report = health();
    EXPECT_EQ(report["status"], "degraded") << report;
    ASSERT_EQ(report["last_use"].size(), 1u) << report;
    const auto& use = report["last_use"][0];
    EXPECT_EQ(use["key_id"], to_hex(pair->bundle().key_id()));
    EXPECT_EQ(use["state"], "failing");
    EXPECT_EQ(use["since"].get<std::string>().size(), 20u) << use;
    EXPECT_NE(use["why"].get<std::string>().find(why), std::string::npos) << use;
    EXPECT_EQ(use["why"].get<std::string>().find('/'), std::string::npos) << use;
  }
  // As a minute after the other goes by, until all is well.
  bool recovers() {
    for (const auto end = Steady::now() + 60s; Steady::now() < end; std::this_thread::sleep_for(10ms)) {
      pair->clock->now_ms += 60'000;
      pair->cloud.custodian().sweep();
      if (health()["status"] == "ok") return true;
    }
    return false;
  }

  harness::Scratch scratch;
  std::unique_ptr<testing::Pair> pair;
};

TEST_F(HealthTest, TellsHowTheLastUseOfAKeyEnded) {
  const harness::SoftToken token(scratch / "token");
  token.use();
  onboard(testing::token_at(token.uri()));
  EXPECT_EQ(health()["last_use"].size(), 0u);
  must(decrypt());
  const auto report = health();
  EXPECT_EQ(report["status"], "ok") << report;
  EXPECT_EQ(report["last_use"][0]["state"], "ok");
  EXPECT_EQ(report["last_use"][0]["why"], "");
}

// The token answers a probe, and gives out nothing: the PIN is wrong by now.
TEST_F(HealthTest, IsNotOkWhileThePinIsRefused) {
  const harness::SoftToken token(scratch / "token");
  token.use();
  onboard(testing::token_at(harness::SoftToken::counting_logins(token.uri())));
  harness::write_file(token.pin_file(), "314159");
  const std::size_t logins = token.logins();
  const auto refused = decrypt();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::locked_out) << refused.error().message();
  EXPECT_EQ(refused.error().message().find('/'), std::string::npos) << refused.error().message();
  EXPECT_EQ(token.logins(), logins + 1);
  expect_failing("refuses the agent's PIN");
  for (int i = 0; i < 3; ++i) {
    pair->clock->now_ms += 120'000;
    pair->cloud.custodian().sweep();
  }
  expect_failing("refuses the agent's PIN");
  EXPECT_EQ(token.logins(), logins + 1);  // a PIN that was refused is not tried in a loop
  harness::write_file(token.pin_file(), "271828");
  EXPECT_TRUE(recovers());
  must(decrypt());
}

// The agent goes on with what was put back, and its operator has to look.
TEST_F(HealthTest, SaysThatASoftwareTokensFilesWereDamaged) {
  const harness::SoftToken token(scratch / "token");
  token.use();
  onboard(testing::token_at(token.uri()));
  must(decrypt());
  EXPECT_EQ(health()["token_files"], "ok");
  const auto folder = std::filesystem::directory_iterator(scratch / "token" / "tokens")->path();
  std::filesystem::resize_file(folder / "token.object", 0);
  pair->cloud.close();
  pair->cloud.open();
  must(decrypt());
  const auto report = health();
  EXPECT_EQ(report["status"], "degraded") << report;
  EXPECT_TRUE(contains(report["token_files"], "were damaged and were put back")) << report;
  EXPECT_EQ(report["token_files"].get<std::string>().find('/'), std::string::npos) << report;
}

TEST_F(HealthTest, IsToldWhileTheTokenHangs) {
  harness::SoftTpm tpm(scratch / "tpm");
  constexpr auto kTimeout = 8'000ms;
  hsm::TokenConfig config = testing::token_at(tpm.uri());
  config.timeout = kTimeout;
  config.pauses = {.first = 20ms, .longest = 200ms};
  onboard(config);
  tpm.hang();
  std::vector<std::future<Code>> calls;
  for (int i = 0; i < 4; ++i)
    calls.push_back(std::async(std::launch::async, [&] {
      const auto answered = decrypt();
      return answered ? Code::internal : answered.error().code();
    }));
  // Nobody knows yet that it hangs.
  const auto begun = Steady::now();
  EXPECT_EQ(health()["status"], "degraded");
  EXPECT_LT(Steady::now() - begun, kTimeout);
  for (auto& call : calls) EXPECT_EQ(call.get(), Code::unavailable);
  // The first call, or a probe of health's, is waited for a little longer than the others.
  for (const auto end = Steady::now() + 60s; Steady::now() < end && !contains(health()["token"], kSince);)
    std::this_thread::sleep_for(10ms);
  const auto known = Steady::now();
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(decrypt());
  expect_failing(kSince);
  EXPECT_TRUE(contains(health()["token"], kSince)) << health();
  EXPECT_LT(Steady::now() - known, kTimeout);
  tpm.resume();
  EXPECT_TRUE(recovers());
  must(decrypt());
}

// A step that would use the token is refused before anything happens, and says when to send it again.
TEST_F(HealthTest, SaysWhenToTryACeremonyAgain) {
  harness::SoftTpm tpm(scratch / "tpm");
  hsm::TokenConfig config = testing::token_at(tpm.uri());
  config.timeout = 3'000ms;
  onboard(config);
  tpm.hang();
  EXPECT_FALSE(decrypt());
  const auto answer = pair->cloud.custodian().answer({.id = 1,
                                                      .route = ipc::Route::open,
                                                      .subject = "",
                                                      .peer_certificate = pair->alice.certificate.der(),
                                                      .budget_ms = 1'000,
                                                      .body = {}});
  ASSERT_TRUE(answer.reply.error);
  EXPECT_EQ(answer.reply.error->code(), Code::unavailable) << answer.reply.error->message();
  EXPECT_GE(answer.reply.retry_after_seconds, 1u);
}

TEST_F(HealthTest, IsNotOkUntilTheDiskTakesWritesAgain) {
  const harness::SoftToken token(scratch / "token");
  token.use();
  onboard(testing::token_at(token.uri()));
  auto& store = pair->cloud.custodian().store();
  store.limit_pages(1);
  int opened = 0;
  while (opened < 1000 && decrypt()) ++opened;  // pages that are there take some entries more
  ASSERT_LT(opened, 1000);
  const auto report = health();
  EXPECT_EQ(report["status"], "degraded") << report;
  EXPECT_NE(report["store"].get<std::string>().find("nothing can be written since"), std::string::npos)
      << report;
  EXPECT_EQ(report["store"].get<std::string>().find('/'), std::string::npos) << report;
  store.limit_pages(1'000'000);
  pair->clock->now_ms += 6'000;
  pair->cloud.custodian().sweep();
  EXPECT_EQ(health()["status"], "ok") << health();
}

}  // namespace
}  // namespace coprotect::agent::custodian
