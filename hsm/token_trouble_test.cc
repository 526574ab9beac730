#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "hsm/test_token.h"
#include "hsm/token.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"
#include "swtpm-tests/harness/soft_tpm.h"

// Tokens that reject a PIN, lose their user, are late, or do not answer at all.
namespace coprotect::hsm {
namespace {

using harness::Scratch;
using harness::SoftToken;
using harness::SoftTpm;
using std::chrono_literals::operator""ms;

// Successive processes must not each try a PIN on a token that locks after three tries.
TEST(TokenThatRefusedThePin, IsNotTriedAgainByLaterProcesses) {
  const Scratch scratch;
  const SoftToken device(scratch / "token");
  device.use();
  const std::string right = SoftToken::counting_logins(device.uri());
  const auto sealed = token_at(right).seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  const auto pin_file = scratch / "pin";
  harness::write_file(pin_file, "314159\n");
  const TokenConfig config{.uri = SoftToken::counting_logins(device.uri_with_pin_file(pin_file)),
                           .helper = COPROTECT_TOKEN,
                           .refused_pin = scratch / "pin-refused"};
  const std::size_t before = device.logins();
  ASSERT_GT(before, 0U);
  for (int start = 0; start < 5; ++start) {
    const Token token(config);
    EXPECT_EQ(code_of(token.unseal(sealed->sealed)), Code::wrong_code);
    EXPECT_FALSE(token.seal_new_key());
    EXPECT_TRUE(token.probe());
  }
  EXPECT_EQ(device.logins(), before + 1);
  // Another wrong PIN is also tried once; the right one as often as needed.
  harness::write_file(pin_file, "161803\n");
  for (int start = 0; start < 3; ++start)
    EXPECT_EQ(code_of(Token(config).unseal(sealed->sealed)), Code::wrong_code);
  EXPECT_EQ(device.logins(), before + 2);
  harness::write_file(pin_file, "271828\n");
  for (int start = 0; start < 3; ++start) EXPECT_TRUE(Token(config).unseal(sealed->sealed));
  EXPECT_GT(device.logins(), before + 2);
  EXPECT_FALSE(std::filesystem::exists(config.refused_pin));
}

// The rejection comes too late for the call that tried the PIN, but is still noted.
TEST(TokenThatRefusedThePin, IsNotTriedAgainIfItSaidSoLate) {
  const Scratch scratch;
  const SoftToken device(scratch / "token");
  device.use();
  const auto sealed = token_at(SoftToken::counting_logins(device.uri())).seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  const auto pin_file = scratch / "pin";
  harness::write_file(pin_file, "314159\n");
  const Token token({.uri = SoftToken::counting_logins(device.uri_with_pin_file(pin_file)),
                     .helper = COPROTECT_TOKEN,
                     .timeout = 2000ms,
                     .refused_pin = scratch / "pin-refused",
                     .pauses = {.first = 10ms, .longest = 50ms}});
  const std::size_t before = device.logins();
  device.slow_down_logins(5'000ms);
  EXPECT_EQ(code_of(token.unseal(sealed->sealed)), Code::unavailable);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  Code code = Code::unavailable;
  while (code == Code::unavailable && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(20ms);
    code = code_of(token.unseal(sealed->sealed));
  }
  EXPECT_EQ(code, Code::wrong_code);
  EXPECT_EQ(device.logins(), before + 1);
}

// An unreadable note proves nothing: the operator decides.
TEST(TokenThatRefusedThePin, IsNotTriedWhileItsMarkIsBroken) {
  const Scratch scratch;
  const SoftToken device(scratch / "token");
  device.use();
  const TokenConfig config{.uri = SoftToken::counting_logins(device.uri()),
                           .helper = COPROTECT_TOKEN,
                           .refused_pin = scratch / "pin-refused"};
  harness::write_file(config.refused_pin, "x");
  const auto refused = Token(config).seal_new_key();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::altered);
  EXPECT_NE(refused.error().message().find(config.refused_pin.string()), std::string::npos);
  EXPECT_EQ(device.logins(), 0U);
  std::filesystem::remove(config.refused_pin);
  EXPECT_TRUE(Token(config).seal_new_key());
}

// SoftHSM2 writes its token's file in place, even at each login: a kill in between destroys the token.
TEST(TokenInUse, IsNotDisturbedByTheDeathOfItsUser) {
  const Scratch scratch;
  const SoftToken device(scratch / "token");
  device.use();
  device.slow_down_logins();
  const pid_t user = fork();
  if (user == 0) {
    (void)token_at(SoftToken::counting_logins(device.uri())).seal_new_key();
    _exit(0);
  }
  ASSERT_GT(user, 0);
  while (device.logins() == 0) std::this_thread::sleep_for(1ms);
  kill(user, SIGKILL);
  ASSERT_EQ(waitpid(user, nullptr, 0), user);
  for (int i = 0; i < 10'000 && !device.slow_login_ended(); ++i) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(device.slow_login_ended());
}

TEST(TokenOnAHangingTpm, IsUnavailableInTimeAndRecovers) {
  const Scratch scratch;
  SoftTpm tpm(scratch / "tpm");
  const Token token({.uri = tpm.uri(), .helper = COPROTECT_TOKEN, .timeout = 300ms});
  const Token patient = token_at(tpm.uri());
  const auto sealed = patient.seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  tpm.hang();
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(code_of(token.unseal(sealed->sealed)), Code::unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5'000ms);
  tpm.resume();
  EXPECT_TRUE(patient.unseal(sealed->sealed));
}

// Whether the token unseals again; retries until it does.
testing::AssertionResult unseals_again(const Token& token, ByteView sealed) {
  std::string last;
  for (const auto end = std::chrono::steady_clock::now() + 60'000ms;
       std::chrono::steady_clock::now() < end;) {
    const auto key = token.unseal(sealed);
    if (key) return testing::AssertionSuccess();
    last = key.error().message();
    std::this_thread::sleep_for(10ms);
  }
  return testing::AssertionFailure() << last;
}

TEST(TokenThatHangs, IsNotWaitedForAgainUntilAProbeIsAnswered) {
  const Scratch scratch;
  SoftTpm tpm(scratch / "tpm");
  const auto sealed = token_at(tpm.uri()).seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  const Token token = Token({.uri = tpm.uri(),
                             .helper = COPROTECT_TOKEN,
                             .timeout = 2'000ms,
                             .pauses = {.first = 20ms, .longest = 200ms}})
                          .named(sealed->name);
  EXPECT_FALSE(token.hang());
  tpm.hang();
  EXPECT_EQ(code_of(token.unseal(sealed->sealed)), Code::unavailable);
  ASSERT_TRUE(token.hang());
  EXPECT_GE(token.hang()->next_probe.count(), 1);
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) {
    const auto refused = token.unseal(sealed->sealed);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::unavailable);
    for (const std::string& told : {sealed->name, std::string("has not answered since 20")})
      EXPECT_NE(refused.error().message().find(told), std::string::npos) << refused.error().message();
    EXPECT_EQ(refused.error().message().find('/'), std::string::npos) << refused.error().message();
    EXPECT_FALSE(token.seal_new_key());
    EXPECT_FALSE(token.probe());
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2'000ms);
  tpm.resume();
  EXPECT_TRUE(unseals_again(token, sealed->sealed));
  EXPECT_FALSE(token.hang());
}

TEST(TokenThatHangs, HoldsUpOneThreadOfMany) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kTimeout = 6'000ms;
  const Scratch scratch;
  SoftTpm tpm(scratch / "tpm");
  const Token token({.uri = tpm.uri(), .helper = COPROTECT_TOKEN, .timeout = kTimeout});
  const auto sealed = token.seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  tpm.hang();
  std::vector<std::future<Clock::duration>> calls;
  for (int i = 0; i < 6; ++i)
    calls.push_back(std::async(std::launch::async, [&] {
      const auto begun = Clock::now();
      EXPECT_EQ(code_of(token.unseal(sealed->sealed)), Code::unavailable);
      return Clock::now() - begun;
    }));
  int waited = 0;
  for (auto& call : calls) waited += call.get() >= kTimeout ? 1 : 0;
  EXPECT_EQ(waited, 1);
}

// A probe does not log in: the token would count a wrong PIN each time.
TEST(TokenThatHangs, IsProbedWithoutItsPin) {
  const Scratch scratch;
  const SoftToken device(scratch / "token");
  device.use();
  const auto sealed = token_at(device.uri()).seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  const Token token({.uri = SoftToken::counting_logins(device.uri()),
                     .helper = COPROTECT_TOKEN,
                     .timeout = 3'000ms,
                     .pauses = {.first = 20ms, .longest = 200ms}});
  device.slow_down_logins(60'000ms);  // one that was killed within it would leave no token
  auto call = std::async(std::launch::async, [&] { return code_of(token.unseal(sealed->sealed)); });
  while (device.logins() == 0) std::this_thread::sleep_for(1ms);
  const pid_t helper = harness::child_of(getpid(), "coprotect-token");
  ASSERT_GT(helper, 0);
  ASSERT_EQ(kill(helper, SIGSTOP), 0);
  EXPECT_EQ(call.get(), Code::unavailable);
  device.speed_up_logins();
  for (int i = 0; i < 60'000 && token.hang(); ++i) std::this_thread::sleep_for(1ms);
  EXPECT_FALSE(token.hang());
  EXPECT_EQ(device.logins(), 1U);
  EXPECT_TRUE(unseals_again(token, sealed->sealed));
}

}  // namespace
}  // namespace coprotect::hsm
