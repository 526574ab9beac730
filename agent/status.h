#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/config.h"

namespace coprotect::agent {

// What `coprotect-agent status` shows of an agent: the report that it wrote last (status_report.h), and what
// its folder and disk show from outside. Nothing is changed, and the token is not asked.
struct AgentStatus {
  bool runs;
  std::optional<std::int64_t> reported_ms;  // none if there is no report that can be read
  std::string text;                         // for people
  std::string json;                         // in ASCII
};
AgentStatus status_of(const Config& config, std::int64_t now_ms);

// Of the command, as LSB has it for `status`: it runs and its report is new; it does not run; it runs, and
// its report is old or cannot be read.
constexpr int kStatusRuns = 0;
constexpr int kStatusUnknown = 1;
constexpr int kStatusStopped = 3;
int exit_code_of(const AgentStatus& status, std::int64_t now_ms);

}  // namespace coprotect::agent
