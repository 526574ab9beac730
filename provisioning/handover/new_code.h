#pragma once

#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

// Makes a new recovery share under a new code, whether the present code is known or not, and new shares for
// all parties. The old kit and code then open nothing. The agents' operators approve. Writes a new kit and a
// new sheet. May be repeated, also after a crash at any step.
Status new_code(const KeyOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
