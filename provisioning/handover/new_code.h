#pragma once

#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

// A new recovery share under a new code, whether the present one is known or not, and with it new shares for
// everybody: the old kit, with the old code, opens nothing any more. The agents' operators approve. Leaves a
// new kit and a new sheet. May be repeated, also after a crash at any step.
Status new_code(const KeyOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
