#pragma once

#include "client/cli/plan.h"
#include "client/cli/report.h"

namespace coprotect::client {

// Files in named folders that a plan skips only because of their names. A file's first bytes decide what it
// is: an encrypted file may have lost its .cop, and another file may have gained one.

// Turns encrypted files, and files that cannot be read, into jobs in place, whatever their names. Considers
// the skipped files of `tree`.
void add_misnamed(Plan& plan, const std::shared_ptr<Tree>& tree);
// Of the skipped files, makes those without a derivable output name fail, one by one.
void fail_misnamed(Plan& plan, Direction direction, Report& report);

}  // namespace coprotect::client
