#pragma once

#include "hsm/helper/backend.h"

namespace coprotect::hsm::tpm2 {

// A TPM 2.0 by "tpm:" TCTI ["?pin-source=file:" path]. The TCTI is a name and its configuration for
// libtss2-tctildr. The TPM's name is "tpm:" and the name of its storage root key in hexadecimal. Every
// session is salted to that key, so only the TPM that has the key can read what passes through the session.
Result<std::unique_ptr<Backend>> open(const WantedToken& wanted);

}  // namespace coprotect::hsm::tpm2
