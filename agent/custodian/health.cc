#include "agent/custodian/health.h"

#include <nlohmann/json.hpp>

namespace coprotect::agent::custodian {
namespace {

constexpr std::int64_t kProbeEveryMs = 5'000;

}  // namespace

Bytes Health::report(std::size_t keys, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (!probed_ms_ || now_ms - *probed_ms_ >= kProbeEveryMs || now_ms < *probed_ms_) {
    const auto probed = keeper_.probe();
    token_ = probed ? "ok" : probed.error().message();
    probed_ms_ = now_ms;
  }
  const nlohmann::json report = {{"status", token_ == "ok" ? "ok" : "degraded"},
                                 {"role", role_},
                                 {"version", COPROTECT_VERSION},
                                 {"token", token_},
                                 {"keys", keys}};
  const std::string text = report.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return {text.begin(), text.end()};
}

}  // namespace coprotect::agent::custodian
