#pragma once

#include <openssl/core_dispatch.h>

namespace coprotect::provider {

// OpenSSL's KEM (provider-kem(7)) for keys of purpose envelope (protocol/SPEC.md §9.5). Encapsulates without
// the agents, decapsulates with them.
const OSSL_DISPATCH* envelope_kem();

}  // namespace coprotect::provider
