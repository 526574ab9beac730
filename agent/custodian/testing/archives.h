#pragma once

#include "agent/custodian/testing/test_agent.h"
#include "hsm/log_cut_request.h"

namespace coprotect::agent::custodian::testing {

// The operator's request once the entries of an agent's store up to `seq` are archived. No archive is made:
// the agent never sees it.
hsm::LogCutRequest archived(const TestAgent& agent, std::uint64_t seq);
// The number of the last log entry in the store on the disk, and the number of its entries.
std::uint64_t last_entry(const TestAgent& agent);
std::uint64_t entries_in(const TestAgent& agent);
// An entry as encoded in the store.
Bytes entry_in(const TestAgent& agent, std::uint64_t seq);

}  // namespace coprotect::agent::custodian::testing
