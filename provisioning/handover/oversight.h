#pragma once

#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

// Shows who holds the key in which epoch, what is unfinished or announced, and which parties are missing.
// Changes nothing.
Status show_holders(const KeyOptions& options, Random& random);
// Vetoes an announcement of a recovery administrator at every agent. `which` is the beginning of the notice's
// name; empty if only one is announced.
Status veto(const KeyOptions& options, const std::string& which, Random& random);
// Undoes an unfinished handover. If all parties have confirmed it, finishes it instead.
Status abort_unfinished(const KeyOptions& options, const Operator& person, Random& random);

}  // namespace coprotect::provisioning
