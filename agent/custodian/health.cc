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
  const auto age = [&](const std::optional<std::int64_t>& then_ms) {
    return then_ms ? nlohmann::json(std::max<std::int64_t>(now_ms - *then_ms, 0) / 1000) : nlohmann::json();
  };
  const bool ok = token_ == "ok" && facts.store == "ok" && facts.recovery == "ok" && facts.contacts == "ok";
  const nlohmann::json report = {{"status", ok ? "ok" : "degraded"},
                                 {"role", role_},
                                 {"version", COPROTECT_VERSION},
                                 {"token", token_},
                                 {"store", facts.store},
                                 {"recovery", facts.recovery},
                                 {"contacts", facts.contacts},
                                 {"recovery_parts_age_seconds", age(facts.parts_verified_ms)},
                                 {"recovery_code_age_seconds", age(facts.code_opened_ms)},
                                 {"last_drill_age_seconds", age(facts.last_drill_ms)},
                                 {"keys", facts.keys}};
  const std::string text = report.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return {text.begin(), text.end()};
}

}  // namespace coprotect::agent::custodian
