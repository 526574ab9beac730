#pragma once

#include "hsm/helper/backend.h"

namespace coprotect::hsm::pkcs11 {

// A PKCS#11 token by RFC 7512 URI, e.g.
// "pkcs11:token=agent?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/coprotect/pin". Its
// name is "pkcs11:serial=…;token=…;key=…;check=…": what the token says of itself, the CKA_ID of its sealing
// key, and a value that only this key makes (SealKey::check_value).
Result<std::unique_ptr<Backend>> open(const WantedToken& wanted);

}  // namespace coprotect::hsm::pkcs11
