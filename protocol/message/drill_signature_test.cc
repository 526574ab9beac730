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

TEST(CodeOpened, IsSaidByTheRecoveryKeyOfOneReportInOneEpoch) {
  const auto key = HpkePrivateKey::generate(system_random());
  const Sid sid{1};
  DrillReportBody report{.time_ms = 5, .evidence = {6}, .passed = 3, .failed = 0};
  EXPECT_FALSE(verify_code_opened(key.public_key(), sid, report));  // nothing said
  const auto proof = prove_code_opened(sid, report, key);
  report.proof.assign(proof.begin(), proof.end());
  EXPECT_TRUE(verify_code_opened(key.public_key(), sid, report));

  EXPECT_FALSE(verify_code_opened(key.public_key(), Sid{2}, report));
  const auto other = HpkePrivateKey::generate(system_random());
  EXPECT_FALSE(verify_code_opened(other.public_key(), sid, report));
  const auto changed = [&](auto change) {
    DrillReportBody copy = report;
    change(copy);
    return verify_code_opened(key.public_key(), sid, copy);
  };
  EXPECT_FALSE(changed([](DrillReportBody& one) { one.time_ms = 6; }));
  EXPECT_FALSE(changed([](DrillReportBody& one) { one.evidence[31] = 1; }));
  EXPECT_FALSE(changed([](DrillReportBody& one) { one.passed = 2; }));
  EXPECT_FALSE(changed([](DrillReportBody& one) { one.failed = 1; }));
  EXPECT_FALSE(changed([](DrillReportBody& one) { one.proof[63] ^= 1; }));
}

}  // namespace
}  // namespace coprotect::protocol
