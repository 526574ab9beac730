#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "protocol/base/result.h"

namespace coprotect::provisioning {

// The newest epoch that an agent has decided, as it says.
struct Decided {
  std::string agent;  // "cloud"
  std::uint32_t epoch;
};

// The epoch that a handover goes to from `present`: the first that none of the agents that take part has
// decided. They may all be far past `present`, since whoever stole an administrator's certificate can take
// them there. Code::conflict, naming it, if one is so far past another that it is not to be followed: each
// step of protocol::kMaxEpochSkip costs the other one a call.
Result<std::uint32_t> next_epoch(std::uint32_t present, std::span<const Decided> agents);

}  // namespace coprotect::provisioning
