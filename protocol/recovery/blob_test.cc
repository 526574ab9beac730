#include "protocol/recovery/blob.h"

#include <gtest/gtest.h>

#include "protocol/base/writer.h"
#include "protocol/crypto/aead.h"
#include "protocol/crypto/hash.h"
#include "protocol/recovery/test_blob.h"

namespace coprotect::protocol {
namespace {

class Blob : public testing::TestWithParam<SuiteId> {
 protected:
  const TestBlob t{GetParam()};
  const Bytes encoded = t.seal()->first.encoded();
  // Where the recovery key ends and the cost begins.
  static constexpr std::size_t cost_at = 7 + 32 + 65;
};
INSTANTIATE_TEST_SUITE_P(Suites, Blob, testing::ValuesIn(kAllSuites),
                         [](const auto& suite) { return std::string(suite_name(suite.param)); });

TEST_P(Blob, OpensToWhatWasSealed) {
  const auto sealed = t.seal();
  ASSERT_TRUE(sealed);
  const auto read = RecoveryBlob::parse(sealed->first.encoded());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->encoded(), sealed->first.encoded());
  EXPECT_EQ(read->binding().key_id, t.key_id);
  EXPECT_EQ(read->binding().suite, GetParam());
  EXPECT_EQ(read->binding().recovery_key, t.hpke.public_key());
  const auto opened = read->open(t.input);
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(opened->hpke.public_key(), t.hpke.public_key());
  EXPECT_TRUE(equal_in_constant_time(opened->recovery_key.key, sealed->second.key));
}

// The maker of a blob can seal another key in it than the one that it names.
TEST_P(Blob, OpensToTheRecoveryKeyThatItNamesOnly) {
  const std::size_t sealed_at = cost_at + 4 + 4 + 1 + 16 + 12;
  const auto output = argon2id(t.input.reveal(), ByteArray<16>{4, 5, 6}, kQuickCost);
  const Secret key = hkdf_sha256({}, output->reveal(), bytes_of("CPV1-BLOB"), kAeadKeySize);
  const auto with = [&](const HpkePrivateKey& inside) {
    const ByteView aad = ByteView(encoded).first(sealed_at);
    Writer w;
    w.bytes(aad).lp(aead_seal(key.reveal(), ByteArray<12>{7, 8, 9}, aad, inside.scalar().reveal()));
    return RecoveryBlob::parse(w.view())->open(t.input);
  };
  EXPECT_TRUE(with(t.hpke));
  const auto refused = with(HpkePrivateKey::generate(system_random()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::altered);
}

TEST_P(Blob, RefusesAnotherCode) {
  const auto opened =
      RecoveryBlob::parse(encoded)->open(Secret::copy_of(bytes_of("0123456789ABCDEFGHJKMNPQRSTW")));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::wrong_code);
}

TEST_P(Blob, RefusesEveryAlteredByte) {
  for (std::size_t at = 0; at < encoded.size(); ++at) {
    // A changed cost may be valid but slow. Costs are tested below.
    if (at >= cost_at && at < cost_at + 9) continue;
    Bytes altered = encoded;
    altered[at] ^= 1;
    const auto read = RecoveryBlob::parse(altered);
    EXPECT_FALSE(read && read->open(t.input)) << at;
  }
  for (const auto& [at, value] : {std::pair{cost_at + 3, 9}, {cost_at + 7, 2}}) {
    Bytes altered = encoded;
    altered[at] = static_cast<std::uint8_t>(value);
    const auto read = RecoveryBlob::parse(altered);
    ASSERT_TRUE(read);
    const auto opened = read->open(t.input);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Code::wrong_code);
  }
}

TEST_P(Blob, RefusesAnotherLength) {
  for (std::size_t size = 0; size < encoded.size(); ++size)
    EXPECT_FALSE(RecoveryBlob::parse(ByteView(encoded).first(size))) << size;
  Bytes longer = encoded;
  longer.push_back(0);
  EXPECT_FALSE(RecoveryBlob::parse(longer));
}

TEST_P(Blob, RefusesCostsOverTheLimitsBeforeAnyWork) {
  const auto with_cost = [&](std::uint32_t memory_kib, std::uint32_t passes, std::uint8_t lanes) {
    Writer w;
    w.bytes(ByteView(encoded).first(cost_at)).u32(memory_kib).u32(passes).u8(lanes);
    w.bytes(ByteView(encoded).subspan(cost_at + 9));
    const auto read = RecoveryBlob::parse(w.view());
    return read ? "" : std::string(code_name(read.error().code()));
  };
  EXPECT_EQ(with_cost(8, 1, 1), "");
  EXPECT_EQ(with_cost(0xffffffff, 1, 1), "malformed");  // 4 TiB
  EXPECT_EQ(with_cost(2'097'153, 1, 1), "malformed");
  EXPECT_EQ(with_cost(8, 17, 1), "malformed");
  EXPECT_EQ(with_cost(8, 0xffffffff, 1), "malformed");
  EXPECT_EQ(with_cost(8, 0, 1), "malformed");
  EXPECT_EQ(with_cost(1024, 1, 17), "malformed");
  EXPECT_EQ(with_cost(8, 1, 0), "malformed");
  EXPECT_EQ(with_cost(8, 1, 2), "malformed");
}

TEST_P(Blob, RefusesFieldsThatAreNotOfTheForm) {
  const auto with = [&](std::size_t at, std::uint8_t value) {
    Bytes altered = encoded;
    altered[at] = value;
    return RecoveryBlob::parse(altered);
  };
  EXPECT_FALSE(with(0, 'X'));
  EXPECT_FALSE(with(4, 2));  // version
  EXPECT_FALSE(with(6, 9));  // suite
  Bytes no_key = encoded;
  std::fill_n(no_key.begin() + 39, 65, std::uint8_t{0xff});
  const auto read = RecoveryBlob::parse(no_key);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::malformed);
}

// A draft of the format had a kind after the version: 1 for a code, 2 for a password that a person chose.
TEST_P(Blob, OfADraftThatKnewPasswordsIsRefused) {
  for (const std::uint8_t kind : {std::uint8_t{1}, std::uint8_t{2}}) {
    Bytes draft = encoded;
    draft.insert(draft.begin() + 5, kind);
    const auto read = RecoveryBlob::parse(draft);
    ASSERT_FALSE(read) << static_cast<int>(kind);
    EXPECT_EQ(read.error().code(), Code::malformed);
  }
}

TEST_P(Blob, OfAnotherKeyDoesNotOpenAsThisOne) {
  // The sealed part of one key with the clear part of another, under the same code.
  const TestBlob other(GetParam());
  Bytes spliced = other.seal()->first.encoded();
  std::copy(encoded.begin() + static_cast<std::ptrdiff_t>(cost_at), encoded.end(),
            spliced.begin() + static_cast<std::ptrdiff_t>(cost_at));
  const auto read = RecoveryBlob::parse(spliced);
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->open(t.input));
}

TEST(BlobOfACode, IsSealedAtTheCostOfCodesWithFreshSaltAndNonce) {
  const TestBlob t(SuiteId::p256);
  const auto first = RecoveryBlob::seal(t.input, t.key_id, t.suite, t.hpke, system_random());
  const auto second = RecoveryBlob::seal(t.input, t.key_id, t.suite, t.hpke, system_random());
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->first.encoded(), second->first.encoded());
  EXPECT_FALSE(equal_in_constant_time(first->second.key, second->second.key));
  Writer cost;
  cost.u32(65'536).u32(1).u8(1);
  const ByteView written = ByteView(first->first.encoded()).subspan(7 + 32 + 65, 9);
  EXPECT_EQ(to_hex(written), to_hex(cost.view()));
  EXPECT_TRUE(first->first.open(t.input));
}

}  // namespace
}  // namespace coprotect::protocol
