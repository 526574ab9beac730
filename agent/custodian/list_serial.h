#pragma once

#include <cstdint>
#include <string>

#include "protocol/base/result.h"

namespace coprotect::agent::custodian {

// By how much the serial of a list may be above that of the stored one (protocol/SPEC.md §7.4, §10). Whoever
// has the client CA's key once could otherwise sign the last number there is, and nothing could follow.
constexpr std::uint64_t kMaxSerialStep = std::uint64_t{1} << 20;

// Who brings a list. Another agent of the key has taken it already, step by step, and an agent that lags
// behind by more than a step, as after a restore, has to catch up.
enum class BroughtBy { client, agent };

// Whether a list may follow the present one by its serial; `present` is 0 if there is none. Code::conflict.
// `list` names it in the message.
Status check_serial(const std::string& list, std::uint64_t present, std::uint64_t next, BroughtBy by);

}  // namespace coprotect::agent::custodian
