#pragma once

#include "provisioning/handover/session.h"

namespace coprotect::provisioning {

// Who holds the key in which epoch, what is unfinished or announced, and who is waited for. Changes nothing.
Status show_holders(const KeyOptions& options, Random& random);
// Objects to what a recovery administrator announced, at every agent.
// `which` is the beginning of what names a notice; empty if only one is announced.
Status veto(const KeyOptions& options, const std::string& which, Random& random);
// Takes a handover back that was not finished; what all have confirmed is finished instead.
Status abort_unfinished(const KeyOptions& options, const Operator& person, Random& random);

}  // namespace coprotect::provisioning
