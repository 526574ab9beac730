#include "swtpm-tests/derive/peer.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/params.h>

#include <array>
#include <string>

namespace coprotect::harness {
namespace {

using Context = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

}  // namespace

Peer::Peer(protocol::SuiteId suite) {
  const bool curve = suite == protocol::SuiteId::p256;
  std::string group = curve ? "P-256" : std::string(protocol::suite_name(suite));
  const Context context(EVP_PKEY_CTX_new_from_name(nullptr, curve ? "EC" : "DH", nullptr));
  const std::array parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size()),
      OSSL_PARAM_construct_end()};
  EXPECT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_params(context.get(), parameters.data()), 1);
  EXPECT_EQ(EVP_PKEY_generate(context.get(), out(key_)), 1);
}

Bytes Peer::public_value() const {
  unsigned char* encoded = nullptr;
  const std::size_t size = EVP_PKEY_get1_encoded_public_key(key_.get(), &encoded);
  const Bytes value(encoded, encoded + size);
  OPENSSL_free(encoded);
  return value;
}

Secret Peer::shared_secret(ByteView other) const {
  const Owned<EVP_PKEY, EVP_PKEY_free> theirs(EVP_PKEY_new());
  EXPECT_EQ(EVP_PKEY_copy_parameters(theirs.get(), key_.get()), 1);
  EXPECT_EQ(EVP_PKEY_set1_encoded_public_key(theirs.get(), other.data(), other.size()), 1);
  const Context context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
  EXPECT_EQ(EVP_PKEY_derive_init(context.get()), 1);
  if (EVP_PKEY_is_a(key_.get(), "DH") == 1) {
    EXPECT_EQ(EVP_PKEY_CTX_set_dh_pad(context.get(), 1), 1);
  }
  EXPECT_EQ(EVP_PKEY_derive_set_peer(context.get(), theirs.get()), 1);
  std::size_t size = 0;
  EXPECT_EQ(EVP_PKEY_derive(context.get(), nullptr, &size), 1);
  Secret secret(size);
  EXPECT_EQ(EVP_PKEY_derive(context.get(), secret.fill().data(), &size), 1);
  EXPECT_EQ(size, secret.size());
  return secret;
}

}  // namespace coprotect::harness
