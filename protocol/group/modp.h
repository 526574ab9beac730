#pragma once

#include <memory>

#include "protocol/group/group.h"

namespace coprotect::protocol {

// The squares mod a safe prime of RFC 7919 appendix A: p = 2q+1, generator 2, order q. For group_of() only;
// aborts for a suite of another kind.
std::unique_ptr<Group> make_modp_group(SuiteId suite);

}  // namespace coprotect::protocol
