#include "protocol/message/chain.h"

#include <gtest/gtest.h>

#include "protocol/base/test_must.h"
#include "protocol/base/text.h"
#include "protocol/message/test_strict.h"

namespace coprotect::protocol {
namespace {

using test::refuses_other_lengths;

PublicKeyBytes party(std::uint8_t n) {
  ByteArray<32> scalar{};
  scalar.back() = n;
  return must(SigningKey::from_scalar(scalar)).public_key().bytes();
}

// As long as a key, but not a point: x = 1 is on no point.
PublicKeyBytes no_point() {
  PublicKeyBytes key{2};
  key.back() = 1;
  return key;
}

TEST(ForwardMessage, RoundTrips) {
  const ForwardMessage message{.request = {1, 2, 3}, .visited = {party(4), party(5)}, .budget_ms = 27'000};
  const auto parsed = ForwardMessage::parse(message.encode());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->request, message.request);
  EXPECT_EQ(parsed->visited, message.visited);
  EXPECT_EQ(parsed->budget_ms, message.budget_ms);
  refuses_other_lengths<ForwardMessage>(message.encode());
  refuses_other_lengths<ForwardMessage>(ForwardMessage{}.encode());
}

TEST(ForwardMessage, NamesNoPartyTwice) {
  const ForwardMessage message{.request = {1}, .visited = {party(4), party(5), party(4)}, .budget_ms = 1};
  const auto refused = ForwardMessage::parse(message.encode());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::malformed);
  EXPECT_NE(refused.error().message().find("party 3 is named twice"), std::string::npos)
      << refused.error().message();
}

TEST(ForwardMessage, NamesNobodyWithoutAKey) {
  const ForwardMessage message{.request = {1}, .visited = {party(4), no_point()}, .budget_ms = 1};
  const auto refused = ForwardMessage::parse(message.encode());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::malformed);
  EXPECT_NE(refused.error().message().find("party 2 is not a P-256 point"), std::string::npos)
      << refused.error().message();
}

TEST(ForwardMessage, IsAtMost8MiBLong) {
  ForwardMessage message{.request = Bytes((std::size_t{8} << 20) - 14), .visited = {}, .budget_ms = 1};
  EXPECT_TRUE(ForwardMessage::parse(message.encode()));
  message.request.push_back(0);
  EXPECT_FALSE(ForwardMessage::parse(message.encode()));
}

TEST(ForwardMessage, RefusesMoreThan16Parties) {
  ForwardMessage message{.request = {1}, .visited = {}, .budget_ms = 1};
  for (std::uint8_t n = 1; n <= 16; ++n) message.visited.push_back(party(n));
  EXPECT_TRUE(ForwardMessage::parse(message.encode()));
  message.visited.push_back(party(17));
  EXPECT_FALSE(ForwardMessage::parse(message.encode()));
}

ChainReply example() {
  return {.entries = {{.party = party(1), .answer = Bytes{9, 9}},
                      {.party = party(2),
                       .answer = Refusal{
                           .code = Code::unavailable, .detail = "cannot connect", .request_id = {1, 2, 3}}}}};
}

TEST(ChainReply, RoundTrips) {
  const auto parsed = ChainReply::parse(example().encode());
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->entries.size(), 2u);
  EXPECT_EQ(parsed->entries[0].party, party(1));
  EXPECT_EQ(std::get<Bytes>(parsed->entries[0].answer), (Bytes{9, 9}));
  const auto& refusal = std::get<Refusal>(parsed->entries[1].answer);
  EXPECT_EQ(refusal.code, Code::unavailable);
  EXPECT_EQ(refusal.detail, "cannot connect");
  EXPECT_EQ(refusal.request_id[2], 3);
  refuses_other_lengths<ChainReply>(example().encode());
}

TEST(ChainReply, RoundTripsWithEachCode) {
  for (int code = 0; code <= static_cast<int>(Code::internal); ++code) {
    ChainReply list = example();
    std::get<Refusal>(list.entries[1].answer).code = static_cast<Code>(code);
    const auto parsed = ChainReply::parse(list.encode());
    ASSERT_TRUE(parsed);
    EXPECT_EQ(std::get<Refusal>(parsed->entries[1].answer).code, static_cast<Code>(code));
  }
}

TEST(ChainReply, RefusesWhatIsNotOfItsForm) {
  EXPECT_FALSE(ChainReply::parse(ChainReply{}.encode()));  // of nobody
  ChainReply list = example();
  list.entries[1].party = party(1);  // one party twice
  EXPECT_FALSE(ChainReply::parse(list.encode()));
  list = example();
  list.entries[1].party = no_point();
  EXPECT_FALSE(ChainReply::parse(list.encode()));
  list = example();
  list.entries[0].answer = Bytes{};  // a reply without a byte
  EXPECT_FALSE(ChainReply::parse(list.encode()));
  list = example();
  std::get<Refusal>(list.entries[1].answer).detail = std::string(kMaxRefusalDetail + 1, 'x');
  EXPECT_FALSE(ChainReply::parse(list.encode()));
  std::get<Refusal>(list.entries[1].answer).detail = "\xff";
  EXPECT_FALSE(ChainReply::parse(list.encode()));
  list.entries.clear();
  for (std::uint8_t n = 1; n <= 17; ++n) list.entries.push_back({.party = party(n), .answer = Bytes{1}});
  EXPECT_FALSE(ChainReply::parse(list.encode()));
  list.entries.pop_back();
  EXPECT_TRUE(ChainReply::parse(list.encode()));

  Bytes encoded = example().encode();
  const std::string text(text_of(encoded));
  for (const auto& [at, value] : {std::pair{5 + 1 + 33, 2}, {int(text.find("unavailable")), 'U'}}) {
    Bytes changed = encoded;
    changed[static_cast<std::size_t>(at)] = static_cast<std::uint8_t>(value);
    EXPECT_FALSE(ChainReply::parse(changed)) << at;
  }
}

TEST(Refusal, DetailIsShortAndPrintable) {
  const auto detail = [](std::string message) {
    return Refusal::of(Error(Code::denied, std::move(message)), {}).detail;
  };
  EXPECT_EQ(detail("cannot connect"), "cannot connect");
  EXPECT_EQ(detail("two\nlines\x1b[31m"), "two?lines?[31m");
  EXPECT_EQ(detail("\xff\xfe"), "??");
  std::string long_text;
  for (int i = 0; i < 1000; ++i) long_text += "€";
  EXPECT_LE(detail(long_text).size(), kMaxRefusalDetail);
  EXPECT_TRUE(valid_utf8(detail(long_text)));
}

}  // namespace
}  // namespace coprotect::protocol
