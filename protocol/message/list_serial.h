#pragma once

#include <cstdint>
#include <string>

#include "protocol/base/result.h"

namespace coprotect::protocol {

// How far a list's serial may be above the time of who takes it, in milliseconds since 1970 (SPEC.md §7.4,
// §10): a day. Serials count lists, so the time is far above them; but whoever has the client CA's key may
// sign any. The last number there is, signed once, would be one that nothing can follow. The time goes on,
// and it is the same at every agent: a list that follows the newest of them can be given to all.
constexpr std::int64_t kMaxSerialAhead = 86'400'000;

// Whether no list may have this serial yet, whoever signed it and whatever was before.
bool serial_is_ahead(std::uint64_t serial, std::int64_t now_ms);

// Whether a list may follow the present one by its serial; `present` is 0 if there is none. Code::conflict.
// `list` names it in the message.
Status check_serial(const std::string& list, std::uint64_t present, std::uint64_t next, std::int64_t now_ms);

}  // namespace coprotect::protocol
