#pragma once

#include <vector>

#include "protocol/dkg/parameters.h"

namespace coprotect::provisioning {

// Every minimal set of parties (as positions) whose shares suffice, in the order of the parties. If each
// party has one share, these are all sets of t.
std::vector<std::vector<std::size_t>> quorums_of(const protocol::Parameters& parameters);
// The same from the number of shares that each party holds.
std::vector<std::vector<std::size_t>> quorums_of(const std::vector<std::size_t>& shares, std::size_t t);

}  // namespace coprotect::provisioning
