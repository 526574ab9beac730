#include "protocol/message/drill_signature.h"

#include <gtest/gtest.h>

#include "protocol/message/test_request.h"

namespace coprotect::protocol {
namespace {

TEST(DrillSignature, HoldsForTheEvidenceAlone) {
  const test::TestClient client(SuiteId::p256);
  const Bytes evidence = {1, 2, 3};
  const Bytes encoded = DrillSignature::sign(evidence, client.certificate, client.key).encode();
  const auto parsed = DrillSignature::parse(encoded);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->encode(), encoded);
  EXPECT_TRUE(parsed->verify(evidence));
  EXPECT_EQ(parsed->verify(Bytes{1, 2}).error().code(), Code::altered);
  auto other = *parsed;
  other.signature[0] ^= 1;
  EXPECT_FALSE(other.verify(evidence));
}

TEST(DrillSignature, EveryOtherLengthIsRefused) {
  const test::TestClient client(SuiteId::p256);
  Bytes encoded = DrillSignature::sign(Bytes{1}, client.certificate, client.key).encode();
  for (std::size_t n = 0; n < encoded.size(); ++n)
    EXPECT_FALSE(DrillSignature::parse(ByteView(encoded).first(n))) << n;
  encoded.push_back(0);
  EXPECT_FALSE(DrillSignature::parse(encoded));
}

}  // namespace
}  // namespace coprotect::protocol
