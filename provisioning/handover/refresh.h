#pragma once

#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

// New shares for the same holders: what was stolen of the epoch before opens nothing with what is stolen
// later. The recovery blob is not opened, the code stays. May be repeated, also after a crash at any step.
Status refresh(const KeyOptions& options, const Operator& person, Random& random);

}  // namespace coprotect::provisioning
