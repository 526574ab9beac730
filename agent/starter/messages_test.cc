#include "agent/starter/messages.h"

#include <gtest/gtest.h>

namespace coprotect::agent::starter {
namespace {

Order some_order() {
  return {.kind = Order::Kind::start,
          .pid = 7,
          .its_channel = 3,
          .executable = "/usr/bin/x",
          .arguments = {"x", "", std::string(70'000, 'y')}};
}

TEST(StarterMessages, ComeBackAsTheyWere) {
  const auto order = Order::parse(some_order().encode());
  ASSERT_TRUE(order);
  EXPECT_EQ(order->encode(), some_order().encode());
  EXPECT_EQ(order->arguments, some_order().arguments);
  const auto answer = Answer::parse(Answer{.value = 9, .failure = "why"}.encode());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->value, 9u);
  EXPECT_EQ(answer->failure, "why");
}

TEST(StarterMessages, AnAnswerHasOneSize) {
  const auto longer = Answer::parse(Answer{.value = 1, .failure = std::string(5000, 'x')}.encode());
  ASSERT_TRUE(longer);
  EXPECT_EQ(longer->failure, std::string(kMaxFailure, 'x'));
  auto more = Answer{.value = 1, .failure = "why"}.encode();
  more[4 + 5] = 'x';  // words behind the end of the words
  EXPECT_FALSE(Answer::parse(more));
}

TEST(StarterMessages, OthersAreRefused) {
  const Bytes order = some_order().encode();
  for (std::size_t size = 0; size < 40; ++size) EXPECT_FALSE(Order::parse(ByteView(order).first(size)));
  Bytes longer = order;
  longer.push_back(0);
  EXPECT_FALSE(Order::parse(longer));
  for (const std::uint8_t kind : Bytes{0, 6, 255}) {
    Bytes unknown = order;
    unknown[0] = kind;
    EXPECT_FALSE(Order::parse(unknown));
  }
  Order cut = some_order();
  cut.executable = std::string("/usr/bin/x\0y", 12);
  EXPECT_FALSE(Order::parse(cut.encode()));
  Order large = some_order();
  large.arguments = {std::string(kMaxString + 1, 'x')};
  EXPECT_FALSE(Order::parse(large.encode()));
  Order many = some_order();
  many.arguments = std::vector<std::string>(kMostStrings + 1, "x");
  EXPECT_FALSE(Order::parse(many.encode()));
}

}  // namespace
}  // namespace coprotect::agent::starter
