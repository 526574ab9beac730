#pragma once

#include <p11-kit/pkcs11.h>

#include <string_view>

#include "protocol/base/result.h"

namespace coprotect::hsm::pkcs11 {

// Turns a return value into an Error whose message gives the function's name, the value in words and the
// value itself.
//   Code::wrong_code   the PIN is wrong, missing or malformed
//   Code::locked_out   the PIN is locked or expired
//   Code::internal     the token does not support the operation
//   Code::unavailable  everything else: the token is gone or failed
Status check(std::string_view function, CK_RV value);

}  // namespace coprotect::hsm::pkcs11
