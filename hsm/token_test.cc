#include "hsm/token.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "hsm/test_token.h"
#include "hsm/token_label.h"
#include "swtpm-tests/harness/scratch.h"
#include "swtpm-tests/harness/soft_token.h"
#include "swtpm-tests/harness/soft_tpm.h"

namespace coprotect::hsm {
namespace {

using harness::Scratch;
using harness::SoftToken;
using harness::SoftTpm;

// A test's own token that can be removed, with a second one of its kind.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::string uri() const = 0;
  virtual std::string uri_with_pin_file(const std::filesystem::path& file) const = 0;
  virtual std::string uri_of_another() const = 0;
  virtual void remove() = 0;
  virtual void restore() = 0;
};

class TpmDevice final : public Device {
 public:
  explicit TpmDevice(const Scratch& scratch) : tpm_(scratch / "tpm"), another_(scratch / "another") {}
  std::string uri() const override { return tpm_.uri(); }
  std::string uri_with_pin_file(const std::filesystem::path& file) const override {
    return tpm_.uri() + "?pin-source=file:" + file.string();
  }
  std::string uri_of_another() const override { return another_.uri(); }
  void remove() override { tpm_.kill(); }
  void restore() override { tpm_.start(); }

 private:
  SoftTpm tpm_;
  SoftTpm another_;
};

class Pkcs11Device final : public Device {
 public:
  explicit Pkcs11Device(const Scratch& scratch) : token_(scratch / "token", "one") {
    token_.use();
    token_.add("two");
  }
  std::string uri() const override { return token_.uri(); }
  std::string uri_with_pin_file(const std::filesystem::path& file) const override {
    return token_.uri_with_pin_file(file);
  }
  std::string uri_of_another() const override { return token_.uri_of("two"); }
  void remove() override { token_.remove(); }
  void restore() override { token_.restore(); }

 private:
  SoftToken token_;
};

template <typename T>
class TokenOf : public testing::Test {
 protected:
  Token token(std::string uri) const { return token_at(std::move(uri)); }
  Token token() const { return token_at(device_.uri()); }
  std::string pin_file(std::string_view content) {
    const auto file = scratch_ / ("pin" + std::to_string(++files_));
    harness::write_file(file, content);
    return file.string();
  }

  Scratch scratch_;
  T device_{scratch_};
  int files_ = 0;
};
using Devices = testing::Types<TpmDevice, Pkcs11Device>;
TYPED_TEST_SUITE(TokenOf, Devices);

TYPED_TEST(TokenOf, UnsealsWhatItSealed) {
  const Token token = this->token();
  const auto first = token.seal_new_key();
  ASSERT_TRUE(first) << first.error().message();
  const auto second = token.seal_new_key();
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(first->key.size(), 32U);
  EXPECT_FALSE(equal_in_constant_time(first->key, second->key));
  for (const auto* sealed : {&*first, &*second}) {
    const auto key = token.unseal(sealed->sealed);
    ASSERT_TRUE(key) << key.error().message();
    EXPECT_TRUE(equal_in_constant_time(*key, sealed->key));
  }
}

TYPED_TEST(TokenOf, AnswersAProbe) {
  const auto answers = this->token().probe();
  EXPECT_TRUE(answers) << answers.error().message();
}

TYPED_TEST(TokenOf, RefusesAKeyOfAnother) {
  const auto sealed = this->token(this->device_.uri_of_another()).seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  EXPECT_EQ(code_of(this->token().unseal(sealed->sealed)), Code::altered);
}

TYPED_TEST(TokenOf, RefusesAKeyWithAnyByteChanged) {
  const Token token = this->token();
  const auto sealed = token.seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  // Every byte of the framing, and some of each longer field.
  for (std::size_t i = 0; i < sealed->sealed.size(); i += i < 8 ? 1 : 5) {
    Bytes changed = sealed->sealed;
    changed[i] ^= 0x40;
    EXPECT_EQ(code_of(token.unseal(changed)), Code::altered) << "byte " << i;
  }
}

TYPED_TEST(TokenOf, RefusesAKeyOfAnotherLength) {
  const Token token = this->token();
  const auto sealed = token.seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, sealed->sealed.size() / 2, sealed->sealed.size() - 1}) {
    const Bytes cut(sealed->sealed.begin(), sealed->sealed.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(code_of(token.unseal(cut)), Code::altered) << size;
  }
  Bytes longer = sealed->sealed;
  longer.push_back(0);
  EXPECT_EQ(code_of(token.unseal(longer)), Code::altered);
  EXPECT_EQ(code_of(token.unseal(Bytes(5'000))), Code::altered);
}

TYPED_TEST(TokenOf, RefusesAWrongPinUntilItsFileChanges) {
  const Token right = this->token(this->device_.uri_with_pin_file(this->pin_file("271828\n")));
  const auto sealed = right.seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  const std::string file = this->pin_file("314159\n");
  const Token wrong = this->token(this->device_.uri_with_pin_file(file));
  EXPECT_EQ(code_of(wrong.unseal(sealed->sealed)), Code::wrong_code);
  const auto again = wrong.unseal(sealed->sealed);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Code::wrong_code);
  EXPECT_NE(again.error().message().find("until \"" + file + "\" changes"), std::string::npos)
      << again.error().message();
  EXPECT_TRUE(wrong.probe());
  harness::write_file(file, "271828");
  EXPECT_TRUE(wrong.unseal(sealed->sealed));
}

// A name is unique to a token. A token that must have a name is used only with that name.
TYPED_TEST(TokenOf, IsUsedUnderItsNameOnly) {
  const Token here = this->token();
  const Token there = this->token(this->device_.uri_of_another());
  const auto sealed = here.seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  const auto of_another = there.seal_new_key();
  ASSERT_TRUE(of_another) << of_another.error().message();
  EXPECT_NE(sealed->name, of_another->name);
  EXPECT_TRUE(here.named(sealed->name).unseal(sealed->sealed));
  EXPECT_TRUE(here.named(sealed->name).probe());
  EXPECT_EQ(here.named(sealed->name).seal_new_key()->name, sealed->name);

  const Token swapped = there.named(sealed->name);
  const auto refused = swapped.seal_new_key();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::altered);
  for (const std::string& name : {sealed->name, of_another->name})
    EXPECT_NE(refused.error().message().find(name), std::string::npos) << refused.error().message();
  EXPECT_EQ(code_of(swapped.unseal(sealed->sealed)), Code::altered);
  EXPECT_EQ(code_of(swapped.unseal(of_another->sealed)), Code::altered);
  EXPECT_FALSE(swapped.probe());
}

TYPED_TEST(TokenOf, SaysThatAPinFileCannotBeRead) {
  const auto result = this->token(this->device_.uri_with_pin_file("/nowhere/pin")).seal_new_key();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Code::unavailable);
  EXPECT_NE(result.error().message().find("/nowhere/pin"), std::string::npos) << result.error().message();
}

TYPED_TEST(TokenOf, IsUnavailableWhileItIsGone) {
  const Token token = this->token();
  const auto sealed = token.seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  for (int round = 0; round < 2; ++round) {
    this->device_.remove();
    EXPECT_EQ(code_of(token.unseal(sealed->sealed)), Code::unavailable);
    EXPECT_FALSE(token.probe());
    this->device_.restore();
    const auto key = token.unseal(sealed->sealed);
    ASSERT_TRUE(key) << key.error().message();
    EXPECT_TRUE(equal_in_constant_time(*key, sealed->key));
  }
}

TYPED_TEST(TokenOf, ServesSeveralThreads) {
  const Token token = this->token();
  const auto sealed = token.seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  std::vector<std::future<bool>> calls;
  for (int i = 0; i < 6; ++i)
    calls.push_back(std::async(std::launch::async, [&] {
      const auto key = token.unseal(sealed->sealed);
      return key && equal_in_constant_time(*key, sealed->key);
    }));
  for (auto& call : calls) EXPECT_TRUE(call.get());
}

// Two agents on one token. A TPM without resource manager has few slots for objects and sessions.
TYPED_TEST(TokenOf, ServesSeveralProcesses) {
  const auto sealed = this->token().seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  std::vector<std::future<void>> agents;
  for (int i = 0; i < 2; ++i)
    agents.push_back(std::async(std::launch::async, [&, token = this->token()] {
      for (int calls = 0; calls < 5; ++calls) {
        const auto key = token.unseal(sealed->sealed);
        EXPECT_TRUE(key) << key.error().message();
      }
    }));
  for (auto& agent : agents) agent.get();
}

// A serial number and a label can be reproduced, and a token of the same label may replace the right one. Its
// sealing key cannot be reproduced.
TEST(TokenWithItsNeighboursLabel, IsRefused) {
  const Scratch scratch;
  const SoftToken token(scratch / "token", "one");
  const SoftToken swapped(scratch / "swapped", "one");
  const Token used = token_at(token.uri());
  token.use();
  const auto sealed = used.seal_new_key();
  ASSERT_TRUE(sealed) << sealed.error().message();
  swapped.use();
  // A token without a sealing key gets none, and one with a different key is not used.
  for (int i = 0; i < 2; ++i) {
    const auto refused = used.named(sealed->name).seal_new_key();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::altered) << refused.error().message();
    EXPECT_NE(refused.error().message().find(sealed->name), std::string::npos) << refused.error().message();
    EXPECT_EQ(code_of(used.named(sealed->name).unseal(sealed->sealed)), Code::altered);
    if (i == 0) {
      EXPECT_TRUE(token_at(swapped.uri()).seal_new_key());
    }
  }
  // Even if it gives the serial number of the right one.
  const std::string check = sealed->name.substr(sealed->name.find(";check="));
  std::string name = token_at(swapped.uri()).seal_new_key()->name;
  name.replace(name.find(";check="), std::string::npos, check);
  EXPECT_FALSE(used.named(name).seal_new_key());
}

TEST(Token, RefusesUrisThatNoBackendUnderstands) {
  for (const char* uri :
       {"", "tpm", "tpm:", "file:/x", "tpm:swtpm:path=/x?pin=1", "pkcs11:color=red", "pkcs11:token=%zz",
        "pkcs11:token=x?pin-value=1234", "pkcs11:color=red?pin-value=1234&pin-value=1234",
        "tpm:?pin-value=1234", "x?pin-value=1234", "tpm:swtpm:path=/x?pin-source=relative"}) {
    const auto probed = token_at(uri).probe();
    ASSERT_FALSE(probed) << uri;
    EXPECT_EQ(probed.error().code(), Code::malformed) << uri << ": " << probed.error().message();
    EXPECT_EQ(probed.error().message().find("1234"), std::string::npos) << probed.error().message();
  }
  const auto probed = token_at("tpm:" + std::string(2'000, 'x')).probe();
  ASSERT_FALSE(probed);
  EXPECT_EQ(probed.error().code(), Code::malformed);
}

// The agent and the tool prefix a token's errors with its name.
TEST(Token, IsNamedWithoutThePinThatDoesNotBelongThere) {
  EXPECT_EQ(token_label("pkcs11:token=x?pin-source=file:/p"), "token \"pkcs11:token=x?pin-source=file:/p\"");
  EXPECT_EQ(token_label("pkcs11:token=x?pin-value=1234&module-path=/m?pin-value=5678"),
            "token \"pkcs11:token=x?pin-value=…&module-path=/m?pin-value=…\"");
}

TEST(Token, IsUnavailableWithoutItsHelperOrModule) {
  for (const TokenConfig& config :
       {TokenConfig{.uri = "tpm:swtpm:path=/nowhere", .helper = "/nowhere/coprotect-token"},
        TokenConfig{.uri = "tpm:swtpm:path=/nowhere", .helper = COPROTECT_TOKEN},
        TokenConfig{.uri = "pkcs11:token=x?module-path=/nowhere.so", .helper = COPROTECT_TOKEN}}) {
    const auto probed = Token(config).probe();
    ASSERT_FALSE(probed);
    EXPECT_EQ(probed.error().code(), Code::unavailable) << probed.error().message();
    EXPECT_NE(probed.error().message().find("nowhere"), std::string::npos) << probed.error().message();
  }
}

}  // namespace
}  // namespace coprotect::hsm
