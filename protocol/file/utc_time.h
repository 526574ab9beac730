#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coprotect::protocol {

// Milliseconds since 1970 for a time written exactly as 2026-01-31T08:00:00Z (RFC 3339, UTC, whole seconds,
// no leap second). Nothing for any other text, so that a time has one spelling.
std::optional<std::int64_t> parse_utc_time(std::string_view text);
// A time in that form, rounded down to the second.
std::string format_utc_time(std::int64_t ms);

}  // namespace coprotect::protocol
