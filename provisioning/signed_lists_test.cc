#include "provisioning/signed_lists.h"

#include <gtest/gtest.h>

#include "protocol/base/test_must.h"
#include "protocol/message/key_list.h"
#include "protocol/message/list_serial.h"
#include "provisioning/clock.h"
#include "provisioning/test_tenant.h"

namespace coprotect::provisioning {
namespace {

// An agent with the client CA's key must not keep the tool from signing a list that all others accept.
TEST(ToldSerial, IsOneThatAnAgentCanHaveTaken) {
  const TestTenant tenant;
  const auto told = [&](std::uint64_t serial) {
    const protocol::KeyList list{.tenant = "acme", .serial = serial, .time_ms = 1, .keys = {}};
    return told_serial(kKeyLists, list.sign(tenant.ca.key), tenant.ca.certificate, "cloud");
  };
  EXPECT_EQ(must(told(7)), 7u);
  EXPECT_EQ(must(told(static_cast<std::uint64_t>(now_ms()))), static_cast<std::uint64_t>(now_ms()));
  for (const std::uint64_t ahead :
       {UINT64_MAX, static_cast<std::uint64_t>(now_ms() + 2 * protocol::kMaxSerialAhead)}) {
    const auto refused = told(ahead);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::conflict);
  }
}

TEST(SerialAfter, NeverBeginsAgain) {
  EXPECT_EQ(must(serial_after(kClientLists, 3)), 4u);
  const auto last = serial_after(kKeyLists, UINT64_MAX);
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code(), Code::conflict);
}

}  // namespace
}  // namespace coprotect::provisioning
