#include "agent/custodian/list_serial.h"

namespace coprotect::agent::custodian {

Status check_serial(const std::string& list, std::uint64_t present, std::uint64_t next, BroughtBy by) {
  const std::string serial = list + ": serial " + std::to_string(next) + " is ";
  if (next <= present && present > 0)
    return Error(Code::conflict, serial + "not greater than the present " + std::to_string(present));
  if (by == BroughtBy::client && next - present > kMaxSerialStep)
    return Error(Code::conflict, serial + "more than " + std::to_string(kMaxSerialStep) +
                                     " above the present " + std::to_string(present) +
                                     ": such a leap would leave no numbers for later lists");
  return Done{};
}

}  // namespace coprotect::agent::custodian
