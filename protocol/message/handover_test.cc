#include "protocol/message/handover.h"

#include <gtest/gtest.h>

namespace coprotect::protocol {
namespace {

TEST(HandoverMessageTest, DealRequestIsReadBackAsItWas) {
  const Secret secret = Secret::copy_of(ByteArray<16>{1, 2, 3});
  const DealRequest request{.plan = {1, 2, 3}, .approval = Approval::of({7}, secret, Bytes{1, 2, 3})};
  const auto parsed = DealRequest::parse(request.encode());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->encode(), request.encode());
  EXPECT_TRUE(parsed->approval->holds(secret, request.plan));
  EXPECT_FALSE(parsed->approval->holds(secret, Bytes{1, 2}));
  EXPECT_FALSE(parsed->approval->holds(Secret(16), request.plan));
}

}  // namespace
}  // namespace coprotect::protocol
