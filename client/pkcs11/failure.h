#pragma once

#include <p11-kit/pkcs11.h>

#include "protocol/base/result.h"

namespace coprotect::pkcs11 {

// The return value for an error of the helper (client/keyclient/message.h). Its reason goes to standard error
// if COPROTECT_DEBUG is set. Otherwise it is dropped: a module must not write to a program's output.
//   malformed        CKR_MECHANISM_PARAM_INVALID
//   unauthenticated  CKR_USER_NOT_LOGGED_IN
//   denied           CKR_FUNCTION_REJECTED
//   wrong_code       CKR_PIN_INCORRECT
//   not_found, unavailable  CKR_DEVICE_REMOVED
//   everything else  CKR_DEVICE_ERROR
CK_RV report(const Error& error);

}  // namespace coprotect::pkcs11
