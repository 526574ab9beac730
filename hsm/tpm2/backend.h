#pragma once

#include "hsm/helper/backend.h"

namespace coprotect::hsm::tpm2 {

// A TPM 2.0 by "tpm:" TCTI ["?pin-source=file:" path]. The TCTI is a name and its configuration for
// libtss2-tctildr. Its name is "tpm:" and the name of its storage root key in hexadecimal, to which every
// session is salted: only the TPM that has the key understands what passes through one.
Result<std::unique_ptr<Backend>> open(const WantedToken& wanted);

}  // namespace coprotect::hsm::tpm2
