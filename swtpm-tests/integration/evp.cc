#include "swtpm-tests/integration/evp.h"

#include <gtest/gtest.h>

namespace coprotect::harness {

EvpLibrary::EvpLibrary(const std::vector<std::string>& providers) : context_(OSSL_LIB_CTX_new()) {
  for (const std::string& name : providers) {
    const char* const folder =
        name == "coprotect" ? COPROTECT_PROVIDER_DIR : OPENSSL_info(OPENSSL_INFO_MODULES_DIR);
    EXPECT_EQ(OSSL_PROVIDER_set_default_search_path(context_, folder), 1);
    providers_.push_back(OSSL_PROVIDER_load(context_, name.c_str()));
    EXPECT_NE(providers_.back(), nullptr) << name << ": " << errors();
  }
}

EvpLibrary::~EvpLibrary() {
  for (OSSL_PROVIDER* const provider : providers_) OSSL_PROVIDER_unload(provider);
  OSSL_LIB_CTX_free(context_);
}

EvpLibrary::Info EvpLibrary::load(const std::string& uri, int type) const {
  const Owned<OSSL_STORE_CTX, OSSL_STORE_close> store(
      OSSL_STORE_open_ex(uri.c_str(), context_, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr));
  if (store == nullptr || OSSL_STORE_expect(store.get(), type) != 1) return nullptr;
  while (OSSL_STORE_eof(store.get()) == 0)
    if (Info info(OSSL_STORE_load(store.get())); info != nullptr) return info;
  return nullptr;
}

EvpKey EvpLibrary::key(const std::string& uri, int type) const {
  const Info info = load(uri, type);
  if (info == nullptr) return nullptr;
  return EvpKey(type == OSSL_STORE_INFO_PKEY ? OSSL_STORE_INFO_get1_PKEY(info.get())
                                             : OSSL_STORE_INFO_get1_PUBKEY(info.get()));
}

X509Certificate EvpLibrary::certificate(const std::string& uri) const {
  const Info info = load(uri, OSSL_STORE_INFO_CERT);
  return X509Certificate(info == nullptr ? nullptr : OSSL_STORE_INFO_get1_CERT(info.get()));
}

EvpKey EvpLibrary::new_key(const std::string& type, const std::string& group) const {
  const EvpContext context(EVP_PKEY_CTX_new_from_name(context_, type.c_str(), nullptr));
  EvpKey key;
  if (EVP_PKEY_keygen_init(context.get()) == 1 &&
      EVP_PKEY_CTX_set_group_name(context.get(), group.c_str()) == 1)
    EVP_PKEY_generate(context.get(), out(key));
  return key;
}

Bytes EvpLibrary::derive(EVP_PKEY* key, EVP_PKEY* peer, const OSSL_PARAM* params) const {
  const EvpContext context(EVP_PKEY_CTX_new_from_pkey(context_, key, nullptr));
  std::size_t size = 0;
  if (EVP_PKEY_derive_init_ex(context.get(), params) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer) != 1 ||
      EVP_PKEY_derive(context.get(), nullptr, &size) != 1)
    return {};
  Bytes secret(size);
  if (EVP_PKEY_derive(context.get(), secret.data(), &size) != 1) return {};
  secret.resize(size);
  return secret;
}

std::string errors() {
  std::string all;
  const char* data = nullptr;
  int flags = 0;
  while (const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    const char* const reason = ERR_reason_error_string(code);
    all += std::string(reason == nullptr ? "" : reason) + ": " + ((flags & ERR_TXT_STRING) != 0 ? data : "") +
           "\n";
  }
  return all;
}

}  // namespace coprotect::harness
