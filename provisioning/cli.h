#pragma once

#include "provisioning/report.h"

namespace coprotect::provisioning {

// Parses the command line of coprotect-provision, runs the command and returns the exit status.
Exit run_command_line(int argc, const char* const* argv);

}  // namespace coprotect::provisioning
