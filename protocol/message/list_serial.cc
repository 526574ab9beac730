#include "protocol/message/list_serial.h"

namespace coprotect::protocol {

Status check_serial(const std::string& list, std::uint64_t present, std::uint64_t next) {
  const std::string serial = list + ": serial " + std::to_string(next) + " is ";
  if (next <= present && present > 0)
    return Error(Code::conflict, serial + "not greater than the present " + std::to_string(present));
  if (!leaps(present, next)) return Done{};
  const std::string above =
      present == 0 ? std::to_string(kMaxFirstSerial)
                   : std::to_string(kMaxSerialStep) + " above the present " + std::to_string(present);
  return Error(Code::conflict,
               serial + "more than " + above + ": such a leap would leave no numbers for later lists");
}

}  // namespace coprotect::protocol
