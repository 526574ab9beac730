#pragma once

#include <string>

#include "provisioning/log.h"

namespace coprotect::provisioning {

// A table for people. The line above it says what was verified.
std::string log_as_table(const VerifiedLog& log);

// One line with a JSON object for each entry, then one with the head.
std::string log_as_json(const VerifiedLog& log);

}  // namespace coprotect::provisioning
