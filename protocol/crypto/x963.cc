#include "protocol/crypto/x963.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <array>

#include "protocol/base/owned.h"
#include "protocol/base/result.h"

namespace coprotect::protocol {
namespace {

using Kdf = Owned<EVP_KDF, EVP_KDF_free>;
using KdfContext = Owned<EVP_KDF_CTX, EVP_KDF_CTX_free>;

const char* name_of(X963Hash hash) {
  switch (hash) {
    case X963Hash::sha1:
      return "SHA1";
    case X963Hash::sha256:
      return "SHA256";
    case X963Hash::sha384:
      return "SHA384";
    case X963Hash::sha512:
      return "SHA512";
  }
  return "";
}

// OpenSSL's parameters take pointers to non-const. It does not write through them.
OSSL_PARAM octets(const char* key, ByteView value) {
  return OSSL_PARAM_construct_octet_string(key, const_cast<std::uint8_t*>(value.data()), value.size());
}

}  // namespace

Secret x963_kdf(X963Hash hash, const Secret& z, ByteView shared_info, std::size_t size) {
  const Kdf kdf(EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_X963KDF, nullptr));
  invariant(kdf != nullptr);
  const KdfContext context(EVP_KDF_CTX_new(kdf.get()));
  const std::array params = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, const_cast<char*>(name_of(hash)), 0),
      octets(OSSL_KDF_PARAM_KEY, z.reveal()),
      // An empty span would give a null pointer, which OpenSSL rejects.
      octets(OSSL_KDF_PARAM_INFO, shared_info.empty() ? bytes_of("").first(0) : shared_info),
      OSSL_PARAM_construct_end(),
  };
  Secret out(size);
  invariant(context != nullptr && EVP_KDF_derive(context.get(), out.fill().data(), size, params.data()) == 1);
  return out;
}

}  // namespace coprotect::protocol
