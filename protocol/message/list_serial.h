#pragma once

#include <cstdint>
#include <string>

#include "protocol/base/result.h"

namespace coprotect::protocol {

// By how much the serial of a list may be above that of the stored one (SPEC.md §7.4, §10). Whoever has the
// client CA's key once could otherwise sign the last number there is, and nothing could follow. It holds for
// what an agent tells, too: a hostile one tells what no agent ever took step by step.
constexpr std::uint64_t kMaxSerialStep = std::uint64_t{1} << 20;
// How high the serial of the first list may be that somebody gets: an agent that joins, or a new client,
// comes to a tenant that may have had many, and some that leapt.
constexpr std::uint64_t kMaxFirstSerial = std::uint64_t{1} << 40;

constexpr bool leaps(std::uint64_t present, std::uint64_t next) {
  return next > present && next - present > (present == 0 ? kMaxFirstSerial : kMaxSerialStep);
}

// Whether a list may follow the present one by its serial; `present` is 0 if there is none. Code::conflict.
// `list` names it in the message.
Status check_serial(const std::string& list, std::uint64_t present, std::uint64_t next);

}  // namespace coprotect::protocol
