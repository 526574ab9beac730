#include "protocol/message/key_list.h"

#include <gtest/gtest.h>

#include "protocol/base/writer.h"
#include "protocol/crypto/hash.h"
#include "protocol/dkg/test_ceremony.h"

namespace coprotect::protocol {
namespace {

class KeyListTest : public testing::Test {
 protected:
  struct RawEntry {
    KeyId key_id;
    std::uint8_t use;
  };
  // A list with a valid signature, whatever its contents.
  Bytes signed_list(const std::vector<RawEntry>& keys, std::string_view tenant = "acme",
                    std::uint16_t more = 0) const {
    Writer w;
    w.literal("CPKL").u8(1).lp(tenant).u64(4).u64(test::kNow);
    w.u16(static_cast<std::uint16_t>(keys.size() + more));
    for (const auto& entry : keys) w.bytes(entry.key_id).u8(entry.use).u64(test::kNow);
    const Signature signature = key.sign(tagged_hash("CPV1-KEYS", {sha256(w.view())}));
    w.bytes(signature);
    return std::move(w).take();
  }
  void expect_refused(const Bytes& encoded, Code code, const std::string& message) const {
    const auto parsed = KeyList::parse(encoded, ca);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code(), code);
    EXPECT_EQ(parsed.error().message(), message);
  }

  const SigningKey key = SigningKey::generate(system_random());
  const Certificate ca = test::make_authority("acme client CA", key);
  const KeyList list{.tenant = "acme",
                     .serial = 4,
                     .time_ms = test::kNow,
                     .keys = {{{2}, KeyUse::encrypts, 1},
                              {{1}, KeyUse::decrypt_only, 2},
                              {{7}, KeyUse::disabled, 3},
                              {{3}, KeyUse::destroyed, 4}}};
};

TEST_F(KeyListTest, IsReadBackAsItWas) {
  const auto parsed = KeyList::parse(list.sign(key), ca);
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->tenant, "acme");
  EXPECT_EQ(parsed->serial, 4u);
  EXPECT_EQ(parsed->time_ms, test::kNow);
  EXPECT_EQ(parsed->keys, list.keys);
  EXPECT_EQ(parsed->encrypting(), &parsed->keys[0]);
  EXPECT_EQ(parsed->find({7}), &parsed->keys[2]);
  EXPECT_EQ(parsed->find({8}), nullptr);

  const auto empty = KeyList::parse(signed_list({}), ca);
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->encrypting(), nullptr);
}

TEST_F(KeyListTest, MayHaveNoKeyThatEncrypts) {
  const auto parsed = KeyList::parse(signed_list({{{1}, 2}, {{2}, 4}}), ca);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->encrypting(), nullptr);
}

TEST_F(KeyListTest, IsSignedByTheTenantsCa) {
  const SigningKey other = SigningKey::generate(system_random());
  expect_refused(list.sign(other), Code::unauthenticated, "key list: not signed by the tenant's client CA");
}

TEST_F(KeyListTest, EveryFlippedByteAndEveryOtherLengthIsRefused) {
  Bytes encoded = list.sign(key);
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    Bytes flipped = encoded;
    flipped[i] ^= 1;
    EXPECT_FALSE(KeyList::parse(flipped, ca)) << i;
    EXPECT_FALSE(KeyList::parse(ByteView(encoded).first(i), ca)) << i;
  }
  encoded.push_back(0);
  EXPECT_FALSE(KeyList::parse(encoded, ca));
}

TEST_F(KeyListTest, NamesNoKeyTwice) {
  expect_refused(signed_list({{{1}, 2}, {{2}, 2}, {{1}, 4}}), Code::malformed,
                 "key list: a key is named twice");
}

TEST_F(KeyListTest, NamesNoMoreThanThereMayBe) {
  std::vector<RawEntry> keys;
  while (keys.size() < KeyList::kMaxKeys)
    keys.push_back(
        {{static_cast<std::uint8_t>(keys.size()), static_cast<std::uint8_t>(keys.size() >> 8)}, 2});
  EXPECT_TRUE(KeyList::parse(signed_list(keys), ca));
  keys.push_back({{1, 2, 3}, 2});
  expect_refused(signed_list(keys), Code::malformed, "key list: cut off, or a field is not of its form");
}

TEST_F(KeyListTest, OnlyTheNewestEncrypts) {
  EXPECT_TRUE(KeyList::parse(signed_list({{{1}, 1}, {{2}, 2}}), ca));
  expect_refused(signed_list({{{1}, 2}, {{2}, 1}}), Code::malformed,
                 "key list: another key than the first encrypts");
  expect_refused(signed_list({{{1}, 1}, {{2}, 1}}), Code::malformed,
                 "key list: another key than the first encrypts");
}

TEST_F(KeyListTest, FieldsHaveTheirForm) {
  for (const int use : {0, 5, 255})
    expect_refused(signed_list({{{1}, static_cast<std::uint8_t>(use)}}), Code::malformed,
                   "key list: cut off, or a key is not of its form");
  expect_refused(signed_list({{{1}, 1}}, "acme", 2), Code::malformed,
                 "key list: cut off, or a key is not of its form");
  expect_refused(signed_list({{{1}, 1}}, "Acme"), Code::malformed,
                 "key list: cut off, or a field is not of its form");
}

TEST(KeyUseNames, GoBothWays) {
  for (const KeyUse use : {KeyUse::encrypts, KeyUse::decrypt_only, KeyUse::disabled, KeyUse::destroyed})
    EXPECT_EQ(key_use_named(key_use_name(use)), use);
  EXPECT_EQ(key_use_named("active"), std::nullopt);
}

}  // namespace
}  // namespace coprotect::protocol
