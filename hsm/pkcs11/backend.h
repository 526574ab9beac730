#pragma once

#include "hsm/helper/backend.h"

namespace coprotect::hsm::pkcs11 {

// A PKCS#11 token by RFC 7512 URI, for example
// "pkcs11:token=agent?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/coprotect/pin". Its
// name is "pkcs11:serial=…;token=…;key=…;check=…": the token's own description, the CKA_ID of its sealing
// key, and a value that only this key produces (SealKey::check_value).
Result<std::unique_ptr<Backend>> open(const WantedToken& wanted);

}  // namespace coprotect::hsm::pkcs11
