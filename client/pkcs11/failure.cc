#include "client/pkcs11/failure.h"

#include <cstdio>
#include <cstdlib>

namespace coprotect::pkcs11 {

CK_RV report(const Error& error) {
  if (secure_getenv("COPROTECT_DEBUG") != nullptr)
    std::fprintf(stderr, "coprotect-pkcs11: %s\n", error.message().c_str());
  switch (error.code()) {
    case Code::malformed:
      return CKR_MECHANISM_PARAM_INVALID;
    case Code::unauthenticated:
      return CKR_USER_NOT_LOGGED_IN;
    case Code::denied:
      return CKR_FUNCTION_REJECTED;
    case Code::wrong_code:
      return CKR_PIN_INCORRECT;
    case Code::not_found:
    case Code::unavailable:
      return CKR_DEVICE_REMOVED;
    default:
      return CKR_DEVICE_ERROR;
  }
}

}  // namespace coprotect::pkcs11
