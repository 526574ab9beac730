#include "hsm/helper/backend.h"

#include <string>

#include "hsm/pkcs11/backend.h"
#include "hsm/token_label.h"
#include "hsm/tpm2/backend.h"

namespace coprotect::hsm {

Result<std::unique_ptr<Backend>> open_backend(const WantedToken& wanted) {
  if (wanted.uri.starts_with("tpm:")) return tpm2::open(wanted);
  if (wanted.uri.starts_with("pkcs11:")) return pkcs11::open(wanted);
  return Error(Code::malformed, token_label(wanted.uri) + ": neither a tpm: nor a pkcs11: URI");
}

Error another_token(std::string_view found, std::string_view wanted) {
  return {Code::altered, "the token is another one than this agent's, or was cleared: it is \"" +
                             std::string(found) + "\", this agent's is \"" + std::string(wanted) + "\""};
}

}  // namespace coprotect::hsm
