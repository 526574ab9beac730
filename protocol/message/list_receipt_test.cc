#include "protocol/message/list_receipt.h"

#include <gtest/gtest.h>

#include "protocol/message/handover.h"

namespace coprotect::protocol {
namespace {

TEST(ListReceipt, IsOneAgentsWordOfOneListOfOneKind) {
  const SigningKey agent = SigningKey::generate(system_random());
  const SigningKey other = SigningKey::generate(system_random());
  const Bytes list{1, 2, 3};
  const Bytes answer = encode_signature(sign_list_receipt(ListKind::clients, list, agent));
  EXPECT_TRUE(verify_list_receipt(agent.public_key(), ListKind::clients, list, answer));
  EXPECT_FALSE(verify_list_receipt(other.public_key(), ListKind::clients, list, answer));
  EXPECT_FALSE(verify_list_receipt(agent.public_key(), ListKind::keys, list, answer));
  EXPECT_FALSE(verify_list_receipt(agent.public_key(), ListKind::clients, Bytes{1, 2}, answer));
  EXPECT_FALSE(verify_list_receipt(agent.public_key(), ListKind::clients, list, {}));
  EXPECT_FALSE(verify_list_receipt(agent.public_key(), ListKind::clients, list, ByteView(answer).first(63)));
}

}  // namespace
}  // namespace coprotect::protocol
