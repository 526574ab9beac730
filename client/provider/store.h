#pragma once

#include <openssl/core_dispatch.h>

namespace coprotect::provider {

// OpenSSL's STORE (provider-storemgmt(7)) for URIs that begin with "coprotect:".
const OSSL_DISPATCH* key_store();

}  // namespace coprotect::provider
