#pragma once

#include <openssl/core_dispatch.h>

namespace coprotect::provider {

// OpenSSL's KEYEXCH (provider-keyexch(7)) for joint keys. Only our KEYMGMT mentions these names, so that no
// other key's derivation comes here.
constexpr const char* kEcdhName = "COPROTECT-ECDH";
constexpr const char* kDhName = "COPROTECT-DH";
const OSSL_DISPATCH* ecdh_exchange();
const OSSL_DISPATCH* dh_exchange();

}  // namespace coprotect::provider
