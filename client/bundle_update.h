#pragma once

#include <chrono>

#include "client/config.h"
#include "client/enrolment.h"

namespace coprotect::client {

// The newest history of a key that its agents show: those that `own` names, and those that newer versions of
// it name. It goes on from `own`, or is `own` itself; an agent that shows less than others is behind, which
// is no error. Code::altered, naming the agent, if one shows another history: then none is taken.
// Code::bad_proof if what one shows is no bundle of the key, and no other agent has a newer one;
// Code::unavailable and others if nobody shows any.
Result<protocol::Bundle> fetch_newest(const protocol::Bundle& own, const Credentials& credentials,
                                      std::chrono::milliseconds deadline);

// The same for a key of the configuration; a newer bundle is in its file afterwards.
Result<protocol::Bundle> update_bundle(const ConfiguredKey& key, const Credentials& credentials,
                                       std::chrono::milliseconds deadline);

}  // namespace coprotect::client
