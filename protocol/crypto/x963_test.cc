#include "protocol/crypto/x963.h"

#include <gtest/gtest.h>

#include "protocol/testdata/vectors.h"

namespace coprotect::protocol {
namespace {

X963Hash hash_named(const std::string& name) {
  if (name == "SHA-1") return X963Hash::sha1;
  if (name == "SHA-256") return X963Hash::sha256;
  if (name == "SHA-384") return X963Hash::sha384;
  EXPECT_EQ(name, "SHA-512");
  return X963Hash::sha512;
}

TEST(X963, AgreesWithAnotherImplementation) {
  for (const auto& v : testdata::read_vectors("x963.vec")) {
    const Bytes output = v.hex("Output");
    const Secret key =
        x963_kdf(hash_named(v.text("Hash")), Secret::copy_of(v.hex("Z")), v.hex("SharedInfo"), output.size());
    EXPECT_TRUE(equal_in_constant_time(key.reveal(), output)) << v.where();
  }
}

}  // namespace
}  // namespace coprotect::protocol
