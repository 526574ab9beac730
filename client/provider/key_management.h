#pragma once

#include <openssl/core_dispatch.h>

namespace coprotect::provider {

// OpenSSL's KEYMGMT (provider-keymgmt(7)) for joint keys and for public keys that they are used with.
const OSSL_DISPATCH* ec_key_management();
const OSSL_DISPATCH* dh_key_management();

}  // namespace coprotect::provider
