#pragma once

#include <span>

#include "protocol/bundle/bundle.h"
#include "protocol/message/handover.h"

namespace coprotect::protocol {

// Whether every agent of the bundle's epoch says that it uses its share of it (SPEC.md §13.3). Code::conflict
// names one that does not.
Status check_acknowledged(const Bundle& bundle, std::span<const Statement> acknowledgements);

}  // namespace coprotect::protocol
