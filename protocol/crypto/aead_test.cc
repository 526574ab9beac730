#include "protocol/crypto/aead.h"

#include <gtest/gtest.h>

#include "protocol/testdata/vectors.h"

namespace coprotect::protocol {
namespace {

TEST(Aead, ReproducesTheVectorsOfGcm) {
  for (const auto& v : testdata::read_vectors("aes256gcm.vec")) {
    const Bytes key = v.hex("Key");
    const Bytes nonce = v.hex("Nonce");
    const Bytes aad = v.hex("Aad");
    const Bytes plaintext = v.hex("Plaintext");
    const Bytes sealed = v.hex("Sealed");
    EXPECT_EQ(to_hex(aead_seal(key, nonce, aad, plaintext)), to_hex(sealed)) << v.where();
    const auto opened = aead_open(key, nonce, aad, sealed);
    ASSERT_TRUE(opened) << v.where();
    EXPECT_EQ(to_hex(opened->reveal()), to_hex(plaintext)) << v.where();
  }
}

TEST(Aead, RefusesWhatWasNotSealed) {
  Bytes key(kAeadKeySize, 1);
  Bytes nonce(kAeadNonceSize, 2);
  Bytes aad(3, 3);
  Bytes sealed = aead_seal(key, nonce, aad, bytes_of("text"));
  for (Bytes* const changed : {&key, &nonce, &aad, &sealed}) {
    for (std::uint8_t& byte : *changed) {
      byte ^= 0x80;
      const auto opened = aead_open(key, nonce, aad, sealed);
      ASSERT_FALSE(opened);
      EXPECT_EQ(opened.error().code(), Code::altered);
      byte ^= 0x80;
    }
  }
  EXPECT_TRUE(aead_open(key, nonce, aad, sealed));
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FALSE(aead_open(key, nonce, aad, ByteView(sealed).first(size))) << size;
}

}  // namespace
}  // namespace coprotect::protocol
