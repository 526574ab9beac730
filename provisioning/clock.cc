#include "provisioning/clock.h"

#include <chrono>

#include "protocol/file/utc_time.h"

namespace coprotect::provisioning {

std::int64_t now_ms() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
}

std::string utc_text(std::int64_t time_ms) {
  return protocol::format_utc_time(time_ms);
}

}  // namespace coprotect::provisioning
