#pragma once

#include "client/cli/plan.h"
#include "client/cli/report.h"

namespace coprotect::client {

// Files in folders of the command line that a plan leaves out for their names alone. What a file is, its
// first bytes say: an encrypted one may have lost its .cop, and another may have got it.

// Encrypted files, and files that cannot be read, become jobs where they are, under whatever name. For the
// files of `tree` that were skipped.
void add_misnamed(Plan& plan, const std::shared_ptr<Tree>& tree);
// Takes those for which no output name follows out of what was skipped: they fail, one by one.
void fail_misnamed(Plan& plan, Direction direction, Report& report);

}  // namespace coprotect::client
