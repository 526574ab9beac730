#pragma once

#include "hsm/helper/backend.h"

namespace coprotect::hsm::pkcs11 {

// A PKCS#11 token by RFC 7512 URI, e.g.
// "pkcs11:token=agent?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/coprotect/pin".
Result<std::unique_ptr<Backend>> open(std::string_view uri);

}  // namespace coprotect::hsm::pkcs11
