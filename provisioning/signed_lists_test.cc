#include "provisioning/signed_lists.h"

#include <gtest/gtest.h>

#include "protocol/base/test_must.h"
#include "protocol/message/list_serial.h"

namespace coprotect::provisioning {
namespace {

std::size_t newest(std::vector<std::uint64_t> told) {
  return newest_serial(told);
}

TEST(NewestSerial, IsTheGreatest) {
  EXPECT_EQ(newest({7}), 0u);
  EXPECT_EQ(newest({UINT64_MAX}), 0u);
  EXPECT_EQ(newest({1, 7, 3}), 1u);
  EXPECT_EQ(newest({7, 7}), 0u);
  EXPECT_EQ(newest({3 + protocol::kMaxSerialStep, 3}), 0u);
}

// One agent with the client CA's key does not keep the tool from signing a list that all others take.
TEST(NewestSerial, IsNotWhatOneAgentAloneLeapsTo) {
  EXPECT_EQ(newest({3, UINT64_MAX, 4}), 2u);
  EXPECT_EQ(newest({UINT64_MAX, 4}), 1u);
  EXPECT_EQ(newest({4, 5 + protocol::kMaxSerialStep}), 0u);
  EXPECT_EQ(newest({4, 5 + protocol::kMaxSerialStep, 5 + protocol::kMaxSerialStep}), 1u);
}

TEST(SerialAfter, NeverBeginsAgain) {
  EXPECT_EQ(must(serial_after(kClientLists, 3)), 4u);
  const auto last = serial_after(kKeyLists, UINT64_MAX);
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code(), Code::conflict);
}

}  // namespace
}  // namespace coprotect::provisioning
