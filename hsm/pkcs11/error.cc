#include "hsm/pkcs11/error.h"

#include <p11-kit/p11-kit.h>

#include <cstdio>
#include <string>

namespace coprotect::hsm::pkcs11 {
namespace {

Code code_of(CK_RV value) {
  switch (value) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
    case CKR_USER_NOT_LOGGED_IN:
      return Code::wrong_code;
    case CKR_PIN_LOCKED:
    case CKR_PIN_EXPIRED:
      return Code::locked_out;
    case CKR_MECHANISM_INVALID:
    case CKR_MECHANISM_PARAM_INVALID:
    case CKR_FUNCTION_NOT_SUPPORTED:
    case CKR_TEMPLATE_INCONSISTENT:
    case CKR_TEMPLATE_INCOMPLETE:
    case CKR_ATTRIBUTE_TYPE_INVALID:
    case CKR_ATTRIBUTE_VALUE_INVALID:
    case CKR_KEY_FUNCTION_NOT_PERMITTED:
    case CKR_TOKEN_WRITE_PROTECTED:
    case CKR_USER_PIN_NOT_INITIALIZED:
      return Code::internal;
    default:
      return Code::unavailable;
  }
}

}  // namespace

Status check(std::string_view function, CK_RV value) {
  if (value == CKR_OK) return Done{};
  char number[19];
  std::snprintf(number, sizeof number, "0x%lx", value);
  return Error(code_of(value), std::string(function) + ": " + p11_kit_strerror(value) + " (" + number + ")");
}

}  // namespace coprotect::hsm::pkcs11
