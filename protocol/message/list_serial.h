#pragma once

#include <cstdint>
#include <string>

#include "protocol/base/result.h"

namespace coprotect::protocol {

// How far a list's serial may exceed the receiver's time, in milliseconds since 1970 (SPEC.md §7.4, §10): a
// day. Serials count lists, so in normal use the time is far above them. But a holder of the client CA's key
// can sign any serial. If it signed the largest number once, no list could follow. Time advances and is the
// same at every agent, so a list that follows the newest one can be given to all agents.
constexpr std::int64_t kMaxSerialAhead = 86'400'000;

// Whether no list may have this serial yet, regardless of its signer and of earlier lists.
bool serial_is_ahead(std::uint64_t serial, std::int64_t now_ms);

// Whether a list with the serial `next` may follow the present one. `present` is 0 if there is none.
// Otherwise Code::conflict. `list` names the list in the message.
Status check_serial(const std::string& list, std::uint64_t present, std::uint64_t next, std::int64_t now_ms);

}  // namespace coprotect::protocol
