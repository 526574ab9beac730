#include "protocol/crypto/hash.h"

#include <gtest/gtest.h>

#include "protocol/base/writer.h"
#include "protocol/testdata/vectors.h"

namespace coprotect::protocol {
namespace {

TEST(Hash, TaggedHashIsSha256OfThePrefixedParts) {
  Writer w;
  w.lp("TAG").lp("ab").lp("").lp("c");
  EXPECT_EQ(tagged_hash("TAG", {bytes_of("ab"), {}, bytes_of("c")}), sha256(w.view()));
}

TEST(Hash, TaggedHashTellsFieldBoundariesApart) {
  EXPECT_NE(tagged_hash("T", {bytes_of("ab"), bytes_of("c")}),
            tagged_hash("T", {bytes_of("a"), bytes_of("bc")}));
  EXPECT_NE(tagged_hash("T", {bytes_of("ab")}), tagged_hash("T", {bytes_of("ab"), {}}));
  EXPECT_NE(tagged_hash("T", {}), tagged_hash("U", {}));
}

TEST(Hash, EmptySaltIsZeroBytes) {
  const ByteArray<32> zeros{};
  EXPECT_TRUE(equal_in_constant_time(hkdf_sha256({}, bytes_of("ikm"), bytes_of("i"), 40),
                                     hkdf_sha256(zeros, bytes_of("ikm"), bytes_of("i"), 40)));
}

TEST(HashDeathTest, TooLongAnOutputAborts) {
  EXPECT_DEATH(hkdf_expand_sha256({}, {}, 8161), "");
  EXPECT_DEATH(expand_message_xmd({}, {}, 8161), "");
  EXPECT_DEATH(expand_message_xmd({}, Bytes(256), 32), "");
}

TEST(Hash, ReproducesRfc5869) {
  for (const auto& v : testdata::read_vectors("rfc5869.vec")) {
    const Bytes okm = v.hex("OKM");
    const Bytes prk = v.hex("PRK");
    EXPECT_EQ(to_hex(hmac_sha256(v.hex("Salt"), v.hex("IKM"))), to_hex(prk)) << v.where();
    const Bytes info = v.hex("Info");
    EXPECT_EQ(to_hex(hkdf_sha256(v.hex("Salt"), v.hex("IKM"), info, okm.size()).reveal()), to_hex(okm))
        << v.where();
    EXPECT_EQ(to_hex(hkdf_expand_sha256(prk, info, okm.size()).reveal()), to_hex(okm)) << v.where();
  }
}

TEST(Hash, ReproducesRfc9380) {
  for (const auto& v : testdata::read_vectors("rfc9380_xmd.vec")) {
    const Bytes expected = v.hex("Out");
    const std::string dst = v.text("Dst");
    const Secret made = expand_message_xmd(v.hex("Msg"), bytes_of(dst), expected.size());
    EXPECT_EQ(to_hex(made.reveal()), to_hex(expected)) << v.where();
  }
}

}  // namespace
}  // namespace coprotect::protocol
