#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "protocol/base/result.h"

namespace coprotect::provisioning {

// The newest epoch that an agent says it has decided.
struct Decided {
  std::string agent;  // "cloud"
  std::uint32_t epoch;
};

// The epoch to which a handover goes from `present`: the first that no participating agent has decided. They
// may all be far past `present`, because a thief of an administrator's certificate can move them there.
// Code::conflict, naming the agent, if one is too far past another: each step of protocol::kMaxEpochSkip
// costs the other one a call.
Result<std::uint32_t> next_epoch(std::uint32_t present, std::span<const Decided> agents);

}  // namespace coprotect::provisioning
