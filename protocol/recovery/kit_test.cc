#include "protocol/recovery/kit.h"

#include <gtest/gtest.h>

#include "protocol/recovery/test_blob.h"

namespace coprotect::protocol {
namespace {

class Kit : public testing::TestWithParam<SuiteId> {
 protected:
  const TestBlob t{GetParam()};
  const std::pair<RecoveryBlob, RecoveryKey> sealed = *t.seal();
  const SigningKey administrator = SigningKey::generate(system_random());
  const SigningKey client_ca = SigningKey::generate(system_random());
  const RecoveryKit kit = RecoveryKit::seal(Bytes(300, 1), sealed.first, Bytes(200, 2), administrator,
                                            &client_ca, sealed.second, system_random());
};
INSTANTIATE_TEST_SUITE_P(Suites, Kit, testing::Values(SuiteId::p256, SuiteId::ffdhe3072),
                         [](const auto& suite) { return std::string(suite_name(suite.param)); });

TEST_P(Kit, OpensWithWhatOpensItsBlob) {
  const auto read = RecoveryKit::parse(kit.encode());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->encode(), kit.encode());
  EXPECT_EQ(read->bundle(), Bytes(300, 1));
  EXPECT_EQ(read->certificate(), Bytes(200, 2));
  EXPECT_EQ(read->blob().encoded(), sealed.first.encoded());
  const auto opened = read->blob().open(t.input);
  ASSERT_TRUE(opened);
  const auto key = read->open_key(opened->recovery_key);
  ASSERT_TRUE(key);
  EXPECT_EQ(key->public_key(), administrator.public_key());
  const auto ca = read->open_client_ca(opened->recovery_key);
  ASSERT_TRUE(ca);
  EXPECT_EQ(ca->public_key(), client_ca.public_key());
  EXPECT_TRUE(read->holds_client_ca());
}

TEST_P(Kit, MayBeWithoutTheClientAuthority) {
  const RecoveryKit without = RecoveryKit::seal(Bytes(300, 1), sealed.first, Bytes(200, 2), administrator,
                                                nullptr, sealed.second, system_random());
  const auto read = RecoveryKit::parse(without.encode());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->open_key(sealed.second)->public_key(), administrator.public_key());
  EXPECT_EQ(read->open_client_ca(sealed.second).error().code(), Code::not_found);
  EXPECT_FALSE(read->holds_client_ca());
}

TEST_P(Kit, TakesANewerBundle) {
  const RecoveryKit newer = kit.with_bundle(Bytes(400, 3));
  EXPECT_EQ(newer.bundle(), Bytes(400, 3));
  EXPECT_TRUE(RecoveryKit::parse(newer.encode())->open_key(sealed.second));
}

TEST_P(Kit, RefusesEveryAlteredByteOfWhatItSealed) {
  const Bytes encoded = kit.encode();
  const std::size_t blob_at = 5 + 4 + 300 + 4;
  for (std::size_t at = 0; at < encoded.size(); ++at) {
    // The bundle's own signatures protect it.
    if (at >= 9 && at < 309) continue;
    Bytes altered = encoded;
    altered[at] ^= 1;
    const auto read = RecoveryKit::parse(altered);
    if (!read) continue;
    const auto key = read->open_key(sealed.second);
    ASSERT_FALSE(key) << at;
    EXPECT_EQ(key.error().code(), Code::altered);
    EXPECT_GT(at, blob_at);
  }
}

TEST_P(Kit, RefusesAnotherLength) {
  Bytes encoded = kit.encode();
  for (std::size_t size = 0; size < encoded.size(); ++size)
    EXPECT_FALSE(RecoveryKit::parse(ByteView(encoded).first(size))) << size;
  encoded.push_back(0);
  EXPECT_FALSE(RecoveryKit::parse(encoded));
}

TEST_P(Kit, DoesNotOpenWithTheKeyOfAnotherCode) {
  const auto key = kit.open_key(RecoveryKey{Secret(32)});
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code(), Code::altered);
}

}  // namespace
}  // namespace coprotect::protocol
