#include "agent/front/tally.h"

#include <gtest/gtest.h>

namespace coprotect::agent::front {
namespace {

using std::chrono::seconds;

const Clock::time_point kStart(seconds(1000));

TEST(Tally, SumsUpOnceAMinute) {
  Tally tally;
  EXPECT_TRUE(tally.due(kStart).empty());
  tally.count("192.0.2.7", "failed handshakes");
  EXPECT_EQ(tally.due(kStart),
            std::vector<std::string>{"front: refused or cut: 192.0.2.7: 1 failed handshakes"});
  for (int i = 0; i < 1000; ++i) tally.count("192.0.2.7", "failed handshakes");
  tally.count("192.0.2.7", "expired certificate");
  tally.count("192.0.2.8", "expired certificate");
  EXPECT_TRUE(tally.due(kStart + seconds(59)).empty());
  EXPECT_EQ(tally.due(kStart + seconds(60)),
            (std::vector<std::string>{
                "front: refused or cut: 192.0.2.7: 1 expired certificate, 1000 failed handshakes",
                "front: refused or cut: 192.0.2.8: 1 expired certificate"}));
  EXPECT_TRUE(tally.due(kStart + seconds(180)).empty());
}

TEST(Tally, WritesFewLinesAboutManyAddresses) {
  Tally tally;
  for (int i = 0; i < 100'000; ++i) tally.count(std::to_string(i), "failed handshakes");
  const auto lines = tally.due(kStart);
  ASSERT_EQ(lines.size(), 21u);
  EXPECT_EQ(lines.back(), "front: refused or cut: other addresses: 99980 failed handshakes");
}

}  // namespace
}  // namespace coprotect::agent::front
