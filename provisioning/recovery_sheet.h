#pragma once

#include <cstdint>
#include <string>

#include "protocol/bundle/bundle.h"

namespace coprotect::provisioning {

// The page (A4, plain text) that is printed and kept with the hand-written code: which key it is, who the
// parties are, and the exact recovery commands. It has a space for the code, but never contains the code.
// `kit` is the kit's file name.
std::string recovery_sheet(const protocol::Bundle& bundle, const std::string& kit, std::int64_t made_ms);

}  // namespace coprotect::provisioning
