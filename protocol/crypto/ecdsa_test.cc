#include "protocol/crypto/ecdsa.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include "protocol/crypto/hash.h"
#include "protocol/testdata/fixed_random.h"
#include "protocol/testdata/vectors.h"

namespace coprotect::protocol {
namespace {

// n, the order of P-256.
const Bytes kOrder = *from_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");

Bytes written_by_openssl(EVP_PKEY* key, bool encrypted) {
  const Owned<BIO, BIO_free> bio(BIO_new(BIO_s_mem()));
  const char password[] = "password";
  EXPECT_EQ(
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, encrypted ? EVP_aes_256_cbc() : nullptr,
                                    encrypted ? password : nullptr, encrypted ? 8 : 0, nullptr, nullptr),
      1);
  std::uint8_t* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return Bytes(data, data + size);
}

// r ‖ n − s, which verifies if and only if r ‖ s does.
Bytes opposite_s(ByteView signature) {
  Bytes opposite(signature.begin(), signature.end());
  int borrow = 0;
  for (std::size_t i = 32; i-- > 0;) {
    const int difference = int{kOrder[i]} - int{signature[32 + i]} - borrow;
    opposite[32 + i] = static_cast<std::uint8_t>(difference);
    borrow = difference < 0 ? 1 : 0;
  }
  return opposite;
}

TEST(Ecdsa, AgreesWithRfc6979) {
  for (const auto& v : testdata::read_vectors("rfc6979.vec")) {
    const auto key = SigningKey::from_scalar(v.hex("Scalar"));
    ASSERT_TRUE(key) << v.where();
    EXPECT_EQ(to_hex(key->public_key().bytes()), v.text("Key")) << v.where();
    const Digest digest = sha256(bytes_of(v.text("Message")));
    Bytes signature = v.hex("Signature");
    const bool low = signature[32] < 0x80;  // one of the RFC's two signatures is
    EXPECT_EQ(key->public_key().verify(digest, signature), low) << v.where();
    const Bytes opposite = opposite_s(signature);
    EXPECT_EQ(key->public_key().verify(digest, opposite), !low) << v.where();
  }
}

TEST(Ecdsa, VerifiesWhatItSignedAndNothingElse) {
  const SigningKey key = SigningKey::generate(system_random());
  const SigningKey other = SigningKey::generate(system_random());
  Digest digest = sha256(bytes_of("statement"));
  Signature signature = key.sign(digest);
  EXPECT_TRUE(key.public_key().verify(digest, signature));
  EXPECT_FALSE(other.public_key().verify(digest, signature));
  EXPECT_FALSE(key.public_key().verify(digest, ByteView(signature).first(63)));
  EXPECT_FALSE(key.public_key().verify(digest, {}));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    signature[i] ^= 1;
    EXPECT_FALSE(key.public_key().verify(digest, signature)) << i;
    signature[i] ^= 1;
  }
  digest[31] ^= 1;
  EXPECT_FALSE(key.public_key().verify(digest, signature));
}

// Otherwise any relay could make a second message from one, with a valid signature.
TEST(Ecdsa, OfTwoSignaturesOneIsRefused) {
  const SigningKey key = SigningKey::generate(system_random());
  for (std::uint8_t i = 0; i < 32; ++i) {
    const Digest digest = sha256(ByteView(&i, 1));
    const Signature signature = key.sign(digest);
    EXPECT_LT(signature[32], 0x80);
    EXPECT_TRUE(key.public_key().verify(digest, signature));
    EXPECT_FALSE(key.public_key().verify(digest, opposite_s(signature)));
  }
}

TEST(Ecdsa, RefusesKeysThatSpellOutTheCurve) {
  const SigningKey key = SigningKey::generate(system_random());
  EXPECT_TRUE(SigningKey::from_pem(written_by_openssl(key.evp(), false)));
  const Owned<EVP_PKEY, EVP_PKEY_free> spelled_out(EVP_PKEY_dup(key.evp()));
  ASSERT_EQ(EVP_PKEY_set_utf8_string_param(spelled_out.get(), OSSL_PKEY_PARAM_EC_ENCODING,
                                           OSSL_PKEY_EC_ENCODING_EXPLICIT),
            1);
  const Bytes pem = written_by_openssl(spelled_out.get(), false);
  EXPECT_EQ(SigningKey::from_pem(pem).error().code(), Code::malformed);
  const Bytes encrypted = written_by_openssl(spelled_out.get(), true);
  const auto opened = SigningKey::from_encrypted_pem(encrypted, Secret::copy_of(bytes_of("password")));
  EXPECT_EQ(opened.error().code(), Code::malformed);
  // As parsed from its bytes.
  const Owned<BIO, BIO_free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Owned<EVP_PKEY, EVP_PKEY_free> read(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(VerifyKey::from_evp(read.get()).error().code(), Code::malformed);
}

TEST(Ecdsa, OpensAnEncryptedKeyWithItsPassphraseAlone) {
  const SigningKey key = SigningKey::generate(system_random());
  const Bytes pem = written_by_openssl(key.evp(), true);
  const Bytes plain = written_by_openssl(key.evp(), false);
  EXPECT_TRUE(SigningKey::is_encrypted_pem(pem));
  EXPECT_FALSE(SigningKey::is_encrypted_pem(plain));
  const auto opened = SigningKey::from_encrypted_pem(pem, Secret::copy_of(bytes_of("password")));
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->public_key().bytes(), key.public_key().bytes());
  for (const std::string& wrong : {std::string("Password"), std::string(), std::string(5000, 'x')}) {
    const auto refused = SigningKey::from_encrypted_pem(pem, Secret::copy_of(bytes_of(wrong)));
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code(), Code::wrong_code) << wrong;
  }
  const auto refused = SigningKey::from_encrypted_pem(plain, Secret::copy_of(bytes_of("password")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::malformed);
}

TEST(Ecdsa, RefusesSignaturesOutOfRange) {
  const SigningKey key = SigningKey::generate(system_random());
  const Digest digest = sha256({});
  const Signature good = key.sign(digest);
  for (const Bytes& bad : {Bytes(32), kOrder, Bytes(32, 0xff)}) {
    for (const std::ptrdiff_t at : {0, 32}) {
      Signature signature = good;
      std::copy(bad.begin(), bad.end(), signature.begin() + at);
      EXPECT_FALSE(key.public_key().verify(digest, signature));
    }
  }
}

TEST(Ecdsa, RefusesPointsThatAreNotCanonical) {
  const PublicKeyBytes good = SigningKey::generate(system_random()).public_key().bytes();
  ASSERT_TRUE(VerifyKey::parse(good));
  std::vector<Bytes> bad{{}, {0}, Bytes(33), Bytes(good.begin(), good.end() - 1), Bytes(65, 4)};
  for (const std::uint8_t tag : ByteArray<6>{0, 1, 4, 5, 6, 7}) {
    bad.emplace_back(good.begin(), good.end());
    bad.back()[0] = tag;
  }
  // x = p + 5: x = 5 is on the curve.
  bad.push_back(*from_hex("02ffffffff00000001000000000000000000000001000000000000000000000004"));
  bad.push_back(
      *from_hex("020000000000000000000000000000000000000000000000000000000000000001"));  // off the curve
  for (const Bytes& bytes : bad) {
    const auto key = VerifyKey::parse(bytes);
    ASSERT_FALSE(key) << to_hex(bytes);
    EXPECT_EQ(key.error().code(), Code::malformed);
    EXPECT_FALSE(is_ecdsa_public_key(bytes)) << to_hex(bytes);
  }
  EXPECT_TRUE(is_ecdsa_public_key(good));
  EXPECT_TRUE(
      VerifyKey::parse(*from_hex("020000000000000000000000000000000000000000000000000000000000000005")));
}

TEST(Ecdsa, RefusesScalarsOutOfRange) {
  Bytes largest = kOrder;
  --largest.back();
  EXPECT_TRUE(SigningKey::from_scalar(largest));
  for (const Bytes& bad : {Bytes(32), kOrder, Bytes(32, 0xff), Bytes(31, 1), Bytes(33, 1), Bytes{}})
    EXPECT_FALSE(SigningKey::from_scalar(bad));
}

TEST(Ecdsa, GenerationRejectsAndDoesNotReduce) {
  Bytes draws(kOrder);
  draws.resize(64, 0);  // n, then zero, then the key
  const Bytes scalar(32, 7);
  draws.insert(draws.end(), scalar.begin(), scalar.end());
  FixedRandom random(draws);
  EXPECT_EQ(to_hex(SigningKey::generate(random).scalar().reveal()), to_hex(scalar));
  EXPECT_TRUE(random.used_up());
}

TEST(Ecdsa, PemRoundTripsAndIsPlainPkcs8) {
  const SigningKey key = SigningKey::generate(system_random());
  const Secret pem = key.to_pem();
  EXPECT_TRUE(text_of(pem.reveal()).starts_with("-----BEGIN PRIVATE KEY-----"));
  const auto read = SigningKey::from_pem(pem.reveal());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->public_key(), key.public_key());
  EXPECT_TRUE(equal_in_constant_time(read->scalar(), key.scalar()));
}

TEST(Ecdsa, ReadsSec1Pem) {
  // The key of RFC 6979, appendix A.2.5, as openssl ec writes it.
  const auto key = SigningKey::from_pem(bytes_of(R"(-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIMmvqdhFunUWa1whV2ex1pNOUMPbNuibEnuKYisSD2choAoGCCqGSM49
AwEHoUQDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8
maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==
-----END EC PRIVATE KEY-----
)"));
  ASSERT_TRUE(key);
  EXPECT_EQ(to_hex(key->public_key().bytes()),
            "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6");
}

TEST(Ecdsa, RefusesOtherKeysInPem) {
  const Owned<EVP_PKEY, EVP_PKEY_free> p384(EVP_EC_gen("P-384"));
  const Owned<EVP_PKEY, EVP_PKEY_free> ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const Owned<EVP_PKEY, EVP_PKEY_free> p256(EVP_EC_gen("P-256"));
  EXPECT_TRUE(SigningKey::from_pem(written_by_openssl(p256.get(), false)));
  EXPECT_FALSE(SigningKey::from_pem(written_by_openssl(p256.get(), true)));
  EXPECT_FALSE(SigningKey::from_pem(written_by_openssl(p384.get(), false)));
  EXPECT_FALSE(SigningKey::from_pem(written_by_openssl(ed25519.get(), false)));
  EXPECT_FALSE(SigningKey::from_pem({}));
  EXPECT_FALSE(
      SigningKey::from_pem(bytes_of("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")));
  EXPECT_FALSE(VerifyKey::from_evp(p384.get()));
  EXPECT_FALSE(VerifyKey::from_evp(ed25519.get()));
  EXPECT_FALSE(VerifyKey::from_evp(nullptr));
  EXPECT_TRUE(VerifyKey::from_evp(p256.get()));
}

TEST(Ecdsa, FromEvpTakesEitherPointFormat) {
  const SigningKey key = SigningKey::generate(system_random());
  const auto other = SigningKey::from_scalar(key.scalar().reveal());
  ASSERT_TRUE(other);
  for (const char* const format : {"compressed", "uncompressed"}) {
    ASSERT_EQ(EVP_PKEY_set_utf8_string_param(other->evp(), "point-format", format), 1);
    const auto read = VerifyKey::from_evp(other->evp());
    ASSERT_TRUE(read) << format;
    EXPECT_EQ(*read, key.public_key());
  }
}

}  // namespace
}  // namespace coprotect::protocol
