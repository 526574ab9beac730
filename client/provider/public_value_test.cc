#include "client/provider/public_value.h"

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

namespace coprotect::provider {
namespace {

using Key = Owned<EVP_PKEY, EVP_PKEY_free>;

Bytes encoded(const char* type, const char* group) {
  Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EXPECT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_group_name(context.get(), group), 1);
  Key key;
  EXPECT_EQ(EVP_PKEY_generate(context.get(), out(key)), 1);
  unsigned char* bytes = nullptr;
  const std::size_t size = EVP_PKEY_get1_encoded_public_key(key.get(), &bytes);
  const Bytes copy(bytes, bytes + size);
  OPENSSL_free(bytes);
  return copy;
}

TEST(PublicValue, OfACurveIsOneOfItsPointsInEitherForm) {
  const Bytes point = encoded("EC", "P-256");
  ASSERT_EQ(point.size(), 65u);
  auto parsed = parse_point(point);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, point);
  Bytes compressed(point.begin(), point.begin() + 33);
  compressed[0] = point[64] % 2 == 0 ? 2 : 3;
  parsed = parse_point(compressed);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, point);
}

TEST(PublicValue, OffTheCurveIsRefused) {
  const Bytes point = encoded("EC", "P-256");
  Bytes off = point;
  off[64] ^= 1;
  Bytes hybrid = point;
  hybrid[0] = point[64] % 2 == 0 ? 6 : 7;
  Bytes beyond(33, 0xff);  // x ≥ p
  beyond[0] = 2;
  const Bytes longer = [&point] {
    Bytes bytes = point;
    bytes.push_back(0);
    return bytes;
  }();
  for (const Bytes& bad :
       {off, hybrid, beyond, longer, Bytes(), Bytes{0}, Bytes(65), Bytes(point.begin(), point.end() - 1)}) {
    const auto parsed = parse_point(bad);
    ASSERT_FALSE(parsed) << to_hex(bad);
    EXPECT_EQ(parsed.error().code(), Code::malformed);
  }
}

// p = 23 = 2·11 + 1, whose quadratic residues are 1 2 3 4 6 8 9 12 13 16 18.
TEST(PublicValue, ModuloAPrimeIsAResidueOtherThanOne) {
  const Bytes prime = {23};
  for (std::uint8_t value = 0; value < 50; ++value) {
    const bool member = std::string_view("\2\3\4\6\10\11\14\15\20\22").find(static_cast<char>(value)) !=
                        std::string_view::npos;
    EXPECT_EQ(static_cast<bool>(parse_residue(prime, Bytes{value})), member) << int{value};
  }
}

TEST(PublicValue, ModuloAPrimeIsPaddedToItsWidth) {
  const Bytes prime = {1, 7};  // 263
  const auto parsed = parse_residue(prime, Bytes{0, 0, 4});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, (Bytes{0, 4}));
  EXPECT_FALSE(parse_residue(prime, Bytes()));
  EXPECT_FALSE(parse_residue(Bytes(), Bytes{4}));
  EXPECT_FALSE(parse_residue(Bytes{22}, Bytes{4}));
}

}  // namespace
}  // namespace coprotect::provider
