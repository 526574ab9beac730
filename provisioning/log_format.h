#pragma once

#include <string>

#include "provisioning/log.h"

namespace coprotect::provisioning {

// A table for people, with a line above it that says what was verified.
std::string log_as_table(const VerifiedLog& log);

// A JSON object on a line for each entry, and one with the head at the end.
std::string log_as_json(const VerifiedLog& log);

}  // namespace coprotect::provisioning
