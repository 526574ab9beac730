#pragma once

#include <memory>

#include "protocol/group/group.h"

namespace coprotect::protocol {

// The squares mod a safe prime of RFC 7919 appendix A: p = 2q+1, generator 2, order q. Only group_of() calls
// it. Aborts for a suite that is not MODP.
std::unique_ptr<Group> make_modp_group(SuiteId suite);

}  // namespace coprotect::protocol
