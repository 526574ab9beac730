#pragma once

#include "hsm/helper/backend.h"

namespace coprotect::hsm::tpm2 {

// A TPM 2.0 by "tpm:" TCTI ["?pin-source=file:" path]. The TCTI is a name and its configuration for
// libtss2-tctildr.
Result<std::unique_ptr<Backend>> open(std::string_view uri);

}  // namespace coprotect::hsm::tpm2
