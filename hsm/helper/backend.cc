#include "hsm/helper/backend.h"

#include <string>

#include "hsm/pkcs11/backend.h"
#include "hsm/tpm2/backend.h"

namespace coprotect::hsm {

Result<std::unique_ptr<Backend>> open_backend(std::string_view uri) {
  if (uri.starts_with("tpm:")) return tpm2::open(uri);
  if (uri.starts_with("pkcs11:")) return pkcs11::open(uri);
  return Error(Code::malformed, "token \"" + std::string(uri) + "\": neither a tpm: nor a pkcs11: URI");
}

}  // namespace coprotect::hsm
