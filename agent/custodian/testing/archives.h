#pragma once

#include "agent/custodian/testing/test_agent.h"
#include "hsm/log_cut_request.h"

namespace coprotect::agent::custodian::testing {

// What an operator asks for once he has an archive of the entries of an agent's store up to `seq`. The
// archive itself is not made: the agent never sees it.
hsm::LogCutRequest archived(const TestAgent& agent, std::uint64_t seq);
// The lines of the store's log, as it is on the disk, and the number of the last one.
std::uint64_t last_entry(const TestAgent& agent);
std::uint64_t entries_in(const TestAgent& agent);
// An entry as it is encoded there.
Bytes entry_in(const TestAgent& agent, std::uint64_t seq);

}  // namespace coprotect::agent::custodian::testing
