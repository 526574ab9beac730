#include "agent/custodian/health.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace coprotect::agent::custodian {
namespace {

constexpr std::int64_t kProbeEveryMs = 5'000;

}  // namespace

Bytes Health::report(const Facts& facts, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (!probed_ms_ || now_ms - *probed_ms_ >= kProbeEveryMs || now_ms < *probed_ms_) {
    const auto probed = keeper_.probe();
    token_ = probed ? "ok" : probed.error().message();
    probed_ms_ = now_ms;
  }
  nlohmann::json drill_age;
  if (facts.last_drill_ms) drill_age = std::max<std::int64_t>(now_ms - *facts.last_drill_ms, 0) / 1000;
  const nlohmann::json report = {{"status", token_ == "ok" && facts.store == "ok" ? "ok" : "degraded"},
                                 {"role", role_},
                                 {"version", COPROTECT_VERSION},
                                 {"token", token_},
                                 {"store", facts.store},
                                 {"last_drill_age_seconds", drill_age},
                                 {"keys", facts.keys}};
  const std::string text = report.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return {text.begin(), text.end()};
}

}  // namespace coprotect::agent::custodian
