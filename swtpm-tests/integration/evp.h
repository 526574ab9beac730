#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/x509.h>

#include <string>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/owned.h"

namespace coprotect::harness {

using EvpKey = Owned<EVP_PKEY, EVP_PKEY_free>;
using EvpContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using X509Certificate = Owned<X509, X509_free>;

// A library context of its own with these providers, loaded in this order. Ours comes from
// COPROTECT_PROVIDER_DIR.
class EvpLibrary {
 public:
  explicit EvpLibrary(const std::vector<std::string>& providers);
  EvpLibrary(const EvpLibrary&) = delete;
  EvpLibrary& operator=(const EvpLibrary&) = delete;
  ~EvpLibrary();

  OSSL_LIB_CTX* get() const { return context_; }

  // The first object of this type (OSSL_STORE_INFO_…) behind a URI; null if there is none.
  EvpKey key(const std::string& uri, int type = OSSL_STORE_INFO_PKEY) const;
  X509Certificate certificate(const std::string& uri) const;
  // A new key pair, which OpenSSL makes.
  EvpKey new_key(const std::string& type, const std::string& group) const;
  // The secret of key and peer, with these parameters set; empty if there is none.
  Bytes derive(EVP_PKEY* key, EVP_PKEY* peer, const OSSL_PARAM* params = nullptr) const;

 private:
  using Info = Owned<OSSL_STORE_INFO, OSSL_STORE_INFO_free>;
  Info load(const std::string& uri, int type) const;

  OSSL_LIB_CTX* context_;
  std::vector<OSSL_PROVIDER*> providers_;
};

// The texts of this thread's error queue, a line each, which is empty afterwards.
std::string errors();

}  // namespace coprotect::harness
