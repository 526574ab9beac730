#include "agent/callers.h"

#include <gtest/gtest.h>

#include "protocol/base/fd.h"

namespace coprotect::agent {
namespace {

using Clock = Interest::Clock;
using namespace std::chrono_literals;

const Clock::time_point kLater = Clock::now() + 1h;

std::shared_ptr<ipc::Channel> a_front() {
  return std::make_shared<ipc::Channel>(Fd());
}

TEST(InterestTest, EndsWithItsTimeOrItsCaller) {
  EXPECT_TRUE(Interest().check(3, 4));
  Interest waits(kLater);
  EXPECT_TRUE(waits.check(3, 4));
  waits.give_up();
  const auto gone = waits.check(3, 4);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), Code::unavailable);
  EXPECT_EQ(gone.error().message(), "given up after 3 of 4 items: the caller has gone");
  const auto over = Interest(Clock::now()).check(0, 4);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().message(), "given up after 0 of 4 items: the request's time is over");
}

TEST(CallersTest, HearWhoHasGone) {
  Callers callers;
  const auto front = a_front();
  const auto one = callers.add(front, 1, kLater);
  const auto two = callers.add(front, 2, kLater);
  callers.gone(front, 2);
  callers.gone(front, 3);      // has had its reply
  callers.gone(a_front(), 1);  // another front's
  EXPECT_FALSE(one->ended());
  EXPECT_TRUE(two->ended());
}

TEST(CallersTest, AllOfAFrontGoWithIt) {
  Callers callers;
  const auto before = a_front();
  const auto after = a_front();
  const auto one = callers.add(before, 1, kLater);
  const auto two = callers.add(before, 2, kLater);
  const auto next = callers.add(after, 1, kLater);
  callers.all_gone(before);
  EXPECT_TRUE(one->ended());
  EXPECT_TRUE(two->ended());
  EXPECT_FALSE(next->ended());
}

TEST(CallersTest, AreForgottenWithTheirCall) {
  Callers callers;
  const auto front = a_front();
  callers.add(front, 1, kLater);
  EXPECT_EQ(front.use_count(), 1);
  const auto again = callers.add(front, 1, kLater);
  callers.gone(front, 1);
  EXPECT_TRUE(again->ended());
}

}  // namespace
}  // namespace coprotect::agent
