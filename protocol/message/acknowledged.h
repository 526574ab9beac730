#pragma once

#include <span>

#include "protocol/bundle/bundle.h"
#include "protocol/message/handover.h"

namespace coprotect::protocol {

// Checks that every agent of the bundle's epoch acknowledged that it uses its share of that epoch (SPEC.md
// §13.3). Code::conflict names an agent that did not.
Status check_acknowledged(const Bundle& bundle, std::span<const Statement> acknowledgements);

}  // namespace coprotect::protocol
