#pragma once

#include "provisioning/report.h"

namespace coprotect::provisioning {

// The command line of coprotect-provision: reads it, runs what it says, and gives the exit status.
Exit run_command_line(int argc, const char* const* argv);

}  // namespace coprotect::provisioning
