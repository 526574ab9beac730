#pragma once

#include <tss2/tss2_common.h>

#include <string_view>

#include "protocol/base/result.h"

namespace coprotect::hsm::tpm2 {

// Turns a return code into an Error whose message gives the command's name, the code in words and the code
// itself.
//   Code::wrong_code   the authorisation value is wrong (TPM_RC_AUTH_FAIL, TPM_RC_BAD_AUTH)
//   Code::locked_out   TPM_RC_LOCKOUT
//   Code::altered      the object to load is not this TPM's (TPM_RC_INTEGRITY, TPM_RC_BINDING)
//   Code::conflict     an NV index of this handle exists (TPM_RC_NV_DEFINED)
//   Code::limited      no slot for an object or session, or another program took it: retry
//   Code::unavailable  the TPM is unreachable, not ready, or failed; or the reply is not its own
//   Code::internal     everything else
Status check(std::string_view command, TSS2_RC rc);

}  // namespace coprotect::hsm::tpm2
