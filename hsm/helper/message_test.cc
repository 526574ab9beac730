#include "hsm/helper/message.h"

#include <gtest/gtest.h>

#include "protocol/base/writer.h"

namespace coprotect::hsm {
namespace {

TokenRequest unseal_request() {
  return {.operation = TokenOperation::unseal,
          .uri = "tpm:device:/dev/tpmrm0",
          .name = "tpm:000b17",
          .refused = Bytes(kPinFileStampSize, 9),
          .subject = {1, 2, 3}};
}

TokenReply reply_of(std::size_t key_size, Bytes sealed, std::string name = "tpm:000b17") {
  return {.key = Secret(key_size), .sealed = std::move(sealed), .name = std::move(name)};
}

template <typename Parse>
void refuses_every_other_length(ByteView encoded, Parse&& parse) {
  for (std::size_t size = 0; size < encoded.size(); ++size) EXPECT_FALSE(parse(encoded.first(size))) << size;
  Bytes longer(encoded.begin(), encoded.end());
  longer.push_back(0);
  EXPECT_FALSE(parse(ByteView(longer)));
}

TEST(TokenRequest, IsReadAsItWasWritten) {
  const auto parsed = TokenRequest::parse(unseal_request().encode());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->operation, TokenOperation::unseal);
  EXPECT_EQ(parsed->uri, "tpm:device:/dev/tpmrm0");
  EXPECT_EQ(parsed->name, "tpm:000b17");
  EXPECT_EQ(parsed->refused, Bytes(kPinFileStampSize, 9));
  EXPECT_EQ(parsed->subject, (Bytes{1, 2, 3}));
  refuses_every_other_length(unseal_request().encode(),
                             [](ByteView bytes) { return bool(TokenRequest::parse(bytes)); });
}

TEST(TokenRequest, RefusesAKeyWhereNoneBelongsAndNoneWhereOneDoes) {
  TokenRequest request = unseal_request();
  for (const auto operation : {TokenOperation::seal_new_key, TokenOperation::probe, TokenOperation::make_root,
                               TokenOperation::destroy_root, TokenOperation{0}, TokenOperation{6}}) {
    request.operation = operation;
    EXPECT_FALSE(TokenRequest::parse(request.encode()));
  }
  request = unseal_request();
  request.subject.clear();
  EXPECT_FALSE(TokenRequest::parse(request.encode()));
}

TEST(TokenRequest, RefusesFieldsThatAreTooLong) {
  TokenRequest request = unseal_request();
  request.subject.resize(kMaxSealedKey + 1);
  EXPECT_FALSE(TokenRequest::parse(request.encode()));
  request = unseal_request();
  request.uri.resize(kMaxTokenUri + 1, 'x');
  EXPECT_FALSE(TokenRequest::parse(request.encode()));
  request = unseal_request();
  request.name.resize(kMaxTokenName + 1, 'x');
  EXPECT_FALSE(TokenRequest::parse(request.encode()));
  request = unseal_request();
  request.refused.push_back(9);
  EXPECT_FALSE(TokenRequest::parse(request.encode()));
}

TEST(TokenReply, IsReadAsItWasWrittenAndOnlyForItsOperation) {
  struct Kind {
    TokenOperation operation;
    std::size_t key_size;
    Bytes sealed;
    std::string name;
  };
  const std::array kinds = {
      Kind{TokenOperation::seal_new_key, 32, {1, 2}, "tpm:1"}, Kind{TokenOperation::unseal, 32, {}, "tpm:1"},
      Kind{TokenOperation::probe, 0, {}, ""}, Kind{TokenOperation::make_root, 32, {1, 2}, "tpm:1"},
      Kind{TokenOperation::destroy_root, 0, {}, ""}};
  // Operations with the same form of answer.
  const auto alike = [](const Kind& a, const Kind& b) {
    return a.key_size == b.key_size && a.sealed == b.sealed;
  };
  for (const Kind& written : kinds) {
    const Secret encoded = TokenReply::encode(reply_of(written.key_size, written.sealed, written.name));
    for (const Kind& expected : kinds) {
      const auto parsed = TokenReply::parse(expected.operation, encoded.reveal());
      ASSERT_EQ(bool(parsed), alike(written, expected));
      if (!parsed) continue;
      EXPECT_EQ(parsed->key.size(), written.key_size);
      EXPECT_EQ(parsed->sealed, written.sealed);
      EXPECT_EQ(parsed->name, written.name);
    }
    refuses_every_other_length(
        encoded.reveal(), [&](ByteView bytes) { return bool(TokenReply::parse(written.operation, bytes)); });
  }
}

TEST(TokenReply, RefusesKeysOfAnotherSize) {
  for (const std::size_t size : {0U, 31U, 33U})
    EXPECT_FALSE(TokenReply::parse(TokenOperation::unseal, TokenReply::encode(reply_of(size, {})).reveal()))
        << size;
}

TEST(TokenReply, CarriesErrors) {
  for (const Code code :
       {Code::malformed, Code::altered, Code::wrong_code, Code::locked_out, Code::unavailable}) {
    const auto parsed =
        TokenReply::parse(TokenOperation::unseal, TokenReply::encode(Error(code, "TPM2_Unseal: x")).reveal());
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code(), code);
    EXPECT_EQ(parsed.error().message(), "TPM2_Unseal: x");
  }
  // A code that no backend should report.
  const auto parsed =
      TokenReply::parse(TokenOperation::unseal, TokenReply::encode(Error(Code::denied, "")).reveal());
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), Code::internal);
}

TEST(TokenReply, SaysWhichPinFileWasRefusedAndOnlyThen) {
  const Bytes stamp(kPinFileStampSize, 9);
  Bytes refused;
  const Secret wrong_pin = TokenReply::encode(Error(Code::wrong_code, "C_Login: x"), stamp);
  EXPECT_FALSE(TokenReply::parse(TokenOperation::unseal, wrong_pin.reveal(), &refused));
  EXPECT_EQ(refused, stamp);
  refused.clear();
  for (const Secret& encoded :
       {TokenReply::encode(Error(Code::unavailable, "gone"), stamp),
        TokenReply::encode(reply_of(32, {}), stamp),
        TokenReply::encode(Error(Code::wrong_code, "C_Login: x"), Bytes(kPinFileStampSize - 1))}) {
    const auto parsed = TokenReply::parse(TokenOperation::unseal, encoded.reveal(), &refused);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code(), Code::unavailable);
    EXPECT_TRUE(refused.empty());
  }
}

TEST(TokenReply, RefusesANameThatCannotBeShown) {
  for (const std::string& name : {std::string(), std::string("a\nb"), std::string(kMaxTokenName + 1, 'x')})
    EXPECT_FALSE(
        TokenReply::parse(TokenOperation::unseal, TokenReply::encode(reply_of(32, {}, name)).reveal()))
        << name;
}

TEST(TokenReply, CutsAnErrorsTextAndMakesItPrintable) {
  const Error error(Code::internal, "line\nline\x1b" + std::string(2'000, 'x'));
  const auto parsed = TokenReply::parse(TokenOperation::probe, TokenReply::encode(error).reveal());
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), Code::internal);
  EXPECT_EQ(parsed.error().message().size(), 1024U);
  EXPECT_TRUE(parsed.error().message().starts_with("line?line?x"));
}

}  // namespace
}  // namespace coprotect::hsm
