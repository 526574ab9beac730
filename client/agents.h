#pragma once

#include <string>

#include "client/agent_client.h"
#include "client/enrolment.h"

namespace coprotect::client {

// `company agent "host:port"`, as messages name a party.
std::string agent_name(const protocol::Party& party);

// A connection to a party's agent, as its bundle describes it. `credentials` must outlive it.
AgentClient connect(const protocol::Party& party, const Credentials& credentials,
                    std::chrono::milliseconds deadline);

// Milliseconds since 1970.
std::int64_t now_ms();

}  // namespace coprotect::client
