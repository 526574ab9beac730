#include "hsm/tpm2/error.h"

#include <tss2/tss2_rc.h>
#include <tss2/tss2_tpm2_types.h>

#include <cstdio>
#include <string>

namespace coprotect::hsm::tpm2 {
namespace {

// A format-one code without the number of the handle, session or parameter that it refers to (TPM 2.0 Part 2
// §6.6).
constexpr TSS2_RC without_position(TSS2_RC rc) {
  return rc & (TPM2_RC_FMT1 | 0x3f);
}

Code code_of_tpm(TSS2_RC rc) {
  if ((rc & TPM2_RC_FMT1) != 0) {
    switch (without_position(rc)) {
      case TPM2_RC_AUTH_FAIL:
      case TPM2_RC_BAD_AUTH:
        return Code::wrong_code;
      case TPM2_RC_INTEGRITY:
      case TPM2_RC_BINDING:
        return Code::altered;
      default:
        return Code::internal;
    }
  }
  if (rc >= TPM2_RC_REFERENCE_H0 && rc <= TPM2_RC_REFERENCE_S6) return Code::limited;
  switch (rc) {
    case TPM2_RC_LOCKOUT:
      return Code::locked_out;
    case TPM2_RC_NV_DEFINED:
      return Code::conflict;
    case TPM2_RC_OBJECT_MEMORY:
    case TPM2_RC_SESSION_MEMORY:
    case TPM2_RC_MEMORY:
    case TPM2_RC_SESSION_HANDLES:
    case TPM2_RC_OBJECT_HANDLES:
      return Code::limited;
    case TPM2_RC_INITIALIZE:
    case TPM2_RC_FAILURE:
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_CANCELED:
    case TPM2_RC_TESTING:
    case TPM2_RC_NV_RATE:
    case TPM2_RC_NV_UNAVAILABLE:
      return Code::unavailable;
    default:
      return Code::internal;
  }
}

Code code_of(TSS2_RC rc) {
  switch (rc & TSS2_RC_LAYER_MASK) {
    case TSS2_TPM_RC_LAYER:
      return code_of_tpm(rc);
    // The libraries report a lost connection, a malformed reply, or a reply that does not authenticate.
    default:
      return Code::unavailable;
  }
}

}  // namespace

Status check(std::string_view command, TSS2_RC rc) {
  if (rc == TSS2_RC_SUCCESS) return Done{};
  // Behind a resource manager, the TPM's own codes carry the manager's layer, which tss2-rc cannot decode.
  if ((rc & TSS2_RC_LAYER_MASK) == TSS2_RESMGR_TPM_RC_LAYER) rc &= ~TSS2_RC_LAYER_MASK;
  char number[11];
  std::snprintf(number, sizeof number, "0x%x", rc);
  return Error(code_of(rc), std::string(command) + ": " + Tss2_RC_Decode(rc) + " (" + number + ")");
}

}  // namespace coprotect::hsm::tpm2
