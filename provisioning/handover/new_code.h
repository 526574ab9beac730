#pragma once

#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

struct NewCodeOptions : KeyOptions {
  std::vector<std::filesystem::path> invitations;  // of every agent: its operator's approval
  bool password = false;                           // of the operator's own instead of a code
};

// A new recovery share under a new code, whether the present one is known or not, and with it new shares for
// everybody: the old kit, with the old code, opens nothing any more. Leaves a new kit and a new sheet. May be
// repeated, also after a crash at any step.
Status new_code(const NewCodeOptions& options, const Operator& person, std::int64_t now_ms, Random& random);

}  // namespace coprotect::provisioning
