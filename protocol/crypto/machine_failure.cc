#include "protocol/crypto/machine_failure.h"

#include <openssl/err.h>
#include <openssl/evperr.h>

namespace coprotect::protocol {

bool machine_failed() {
  bool failed = false;
  while (const unsigned long error = ERR_get_error()) {
    const int reason = ERR_GET_REASON(error);
    failed |= ERR_SYSTEM_ERROR(error) || reason == ERR_R_MALLOC_FAILURE || reason == ERR_R_INIT_FAIL ||
              (ERR_GET_LIB(error) == ERR_LIB_EVP && reason == EVP_R_INITIALIZATION_ERROR);
  }
  return failed;
}

}  // namespace coprotect::protocol
