#pragma once

#include <cstdint>
#include <string>

namespace coprotect::provisioning {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kDayMs = 24 * 60 * kMinuteMs;
// Certificates start this much earlier, because clocks differ.
constexpr std::int64_t kBackdateMs = 5 * kMinuteMs;

std::int64_t now_ms();
// 2026-01-31T08:00:00Z
std::string utc_text(std::int64_t time_ms);

}  // namespace coprotect::provisioning
