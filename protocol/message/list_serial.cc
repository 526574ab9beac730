#include "protocol/message/list_serial.h"

#include <algorithm>
namespace coprotect::protocol {
namespace {

std::uint64_t most(std::int64_t now_ms) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(now_ms, 0)) + std::uint64_t{kMaxSerialAhead};
}

}  // namespace

bool serial_is_ahead(std::uint64_t serial, std::int64_t now_ms) {
  return serial > most(now_ms);
}

Status check_serial(const std::string& list, std::uint64_t present, std::uint64_t next, std::int64_t now_ms) {
  const std::string serial = list + ": serial " + std::to_string(next) + " is ";
  if (next <= present && present > 0)
    return Error(Code::conflict, serial + "not greater than the present " + std::to_string(present));
  if (!serial_is_ahead(next, now_ms)) return Done{};
  return Error(Code::conflict, serial + "greater than " + std::to_string(most(now_ms)) +
                                   ", the most that a list may have a day ahead of this clock: nothing could "
                                   "follow such a list");
}

}  // namespace coprotect::protocol
