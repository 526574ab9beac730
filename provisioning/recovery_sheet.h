#pragma once

#include <cstdint>
#include <string>

#include "protocol/bundle/bundle.h"

namespace coprotect::provisioning {

// The page (A4, plain text) that is printed and kept with the hand-written code: what the key is, who the
// parties are, and the exact commands that recover. It has a place for the code and never the code itself.
// `kit` is the name of the kit's file.
std::string recovery_sheet(const protocol::Bundle& bundle, const std::string& kit, std::int64_t made_ms);

}  // namespace coprotect::provisioning
