#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "protocol/base/result.h"

namespace coprotect::protocol {

// SPEC.md §2.
enum class SuiteId : std::uint16_t {
  ffdhe2048 = 0x0001,
  ffdhe3072 = 0x0002,
  ffdhe4096 = 0x0003,
  p256 = 0x0010
};

inline constexpr std::array kAllSuites = {SuiteId::p256, SuiteId::ffdhe2048, SuiteId::ffdhe3072,
                                          SuiteId::ffdhe4096};

Result<SuiteId> parse_suite(std::uint16_t id);
Result<SuiteId> suite_by_name(std::string_view name);
std::string_view suite_name(SuiteId suite);

}  // namespace coprotect::protocol
