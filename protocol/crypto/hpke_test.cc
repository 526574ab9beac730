#include "protocol/crypto/hpke.h"

#include <gtest/gtest.h>

#include "protocol/crypto/hpke_schedule.h"
#include "protocol/testdata/fixed_random.h"
#include "protocol/testdata/vectors.h"

namespace coprotect::protocol {
namespace {

HpkePublicKey public_key(const Bytes& bytes) {
  HpkePublicKey key{};
  EXPECT_EQ(bytes.size(), key.size());
  std::copy_n(bytes.begin(), std::min(bytes.size(), key.size()), key.begin());
  return key;
}

TEST(Hpke, KemAndKeyScheduleReproduceRfc9180) {
  for (const auto& v : testdata::read_vectors("rfc9180.vec")) {
    const auto recipient = HpkePrivateKey::from_scalar(v.hex("RecipientScalar"));
    const auto ephemeral = HpkePrivateKey::from_scalar(v.hex("EphemeralScalar"));
    ASSERT_TRUE(recipient && ephemeral);
    EXPECT_EQ(to_hex(HpkePrivateKey::derive(v.hex("EphemeralInput")).scalar().reveal()),
              v.text("EphemeralScalar"));
    EXPECT_EQ(to_hex(HpkePrivateKey::derive(v.hex("RecipientInput")).scalar().reveal()),
              v.text("RecipientScalar"));
    const HpkePublicKey to = public_key(v.hex("RecipientKey"));
    const HpkePublicKey enc = public_key(v.hex("Enc"));
    EXPECT_EQ(recipient->public_key(), to);
    EXPECT_EQ(ephemeral->public_key(), enc);
    const auto sent = hpke::kem_shared_secret(ephemeral->scalar().reveal(), to, enc, to);
    const auto received = hpke::kem_shared_secret(recipient->scalar().reveal(), enc, enc, to);
    ASSERT_TRUE(sent && received);
    EXPECT_EQ(to_hex(sent->reveal()), v.text("SharedSecret"));
    EXPECT_EQ(to_hex(received->reveal()), v.text("SharedSecret"));
    const auto keys = hpke::key_schedule(sent->reveal(), v.hex("Info"), hpke::kAes128Gcm);
    EXPECT_EQ(to_hex(keys.key.reveal()), v.text("Key"));
    EXPECT_EQ(to_hex(keys.base_nonce.reveal()), v.text("BaseNonce"));
  }
}

TEST(Hpke, OpensWhatAnotherImplementationSealed) {
  for (const auto& v : testdata::read_vectors("hpke.vec")) {
    const auto key = HpkePrivateKey::from_scalar(v.hex("Scalar"));
    ASSERT_TRUE(key) << v.where();
    const auto opened = key->open(v.hex("Sealed"), v.hex("Info"), {});
    ASSERT_TRUE(opened) << v.where() << opened.error().message();
    EXPECT_EQ(to_hex(opened->reveal()), v.text("Plaintext")) << v.where();
  }
}

TEST(Hpke, RefusesWhatWasNotSealedToThisKeyWithThisInfoAndAad) {
  const HpkePrivateKey key = HpkePrivateKey::generate(system_random());
  const HpkePrivateKey other = HpkePrivateKey::generate(system_random());
  auto sealed =
      hpke_seal(key.public_key(), bytes_of("info"), bytes_of("aad"), bytes_of("text"), system_random());
  ASSERT_TRUE(sealed);
  const auto opened = key.open(*sealed, bytes_of("info"), bytes_of("aad"));
  ASSERT_TRUE(opened);
  EXPECT_EQ(text_of(opened->reveal()), "text");

  const auto refused = [](const Result<Secret>& result) {
    return !result && result.error().code() == Code::altered;
  };
  EXPECT_TRUE(refused(other.open(*sealed, bytes_of("info"), bytes_of("aad"))));
  EXPECT_TRUE(refused(key.open(*sealed, bytes_of("inf0"), bytes_of("aad"))));
  EXPECT_TRUE(refused(key.open(*sealed, bytes_of("info"), bytes_of("aae"))));
  EXPECT_TRUE(refused(key.open(*sealed, bytes_of("infoa"), bytes_of("ad"))));
  for (std::size_t size = 0; size < sealed->size(); ++size)
    EXPECT_TRUE(refused(key.open(ByteView(*sealed).first(size), bytes_of("info"), bytes_of("aad")))) << size;
  for (std::size_t i = 0; i < sealed->size(); ++i) {
    (*sealed)[i] ^= 1;
    EXPECT_TRUE(refused(key.open(*sealed, bytes_of("info"), bytes_of("aad")))) << i;
    (*sealed)[i] ^= 1;
  }
}

TEST(Hpke, DrawsOnlyTheEphemeralKeyFromTheRandomGiven) {
  const Bytes scalar(32, 9);
  FixedRandom first(scalar);
  FixedRandom second(scalar);
  const HpkePrivateKey key = HpkePrivateKey::generate(system_random());
  EXPECT_EQ(*hpke_seal(key.public_key(), {}, {}, bytes_of("text"), first),
            *hpke_seal(key.public_key(), {}, {}, bytes_of("text"), second));
  EXPECT_TRUE(first.used_up());
}

TEST(Hpke, RefusesPublicKeysThatAreNotUncompressedPoints) {
  const HpkePublicKey good = HpkePrivateKey::generate(system_random()).public_key();
  EXPECT_TRUE(is_hpke_public_key(good));
  HpkePublicKey off_curve = good;
  off_curve[64] ^= 1;
  HpkePublicKey hybrid = good;
  hybrid[0] = good[64] % 2 == 0 ? 6 : 7;
  const HpkePublicKey infinity{};
  for (const HpkePublicKey& bad : {off_curve, hybrid, infinity}) {
    EXPECT_FALSE(is_hpke_public_key(bad));
    const auto sealed = hpke_seal(bad, {}, {}, {}, system_random());
    ASSERT_FALSE(sealed);
    EXPECT_EQ(sealed.error().code(), Code::malformed);
  }
  EXPECT_FALSE(is_hpke_public_key(ByteView(good).first(64)));
  EXPECT_FALSE(is_hpke_public_key({}));
  EXPECT_FALSE(
      is_hpke_public_key(*from_hex("020000000000000000000000000000000000000000000000000000000000000005")));
}

TEST(Hpke, RefusesScalarsOutOfRange) {
  EXPECT_FALSE(HpkePrivateKey::from_scalar(Bytes(32)));
  EXPECT_FALSE(HpkePrivateKey::from_scalar(Bytes(32, 0xff)));
  EXPECT_FALSE(HpkePrivateKey::from_scalar(Bytes(31, 1)));
}

}  // namespace
}  // namespace coprotect::protocol
