#pragma once

#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

// New shares for the same holders. A share stolen before is useless together with shares stolen later. The
// recovery blob is not opened and the code stays valid. May be repeated, also after a crash at any step.
Status refresh(const KeyOptions& options, const Operator& person, Random& random);

}  // namespace coprotect::provisioning
