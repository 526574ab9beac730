#pragma once

#include <span>
#include <vector>

#include "agent/ipc/messages.h"
#include "agent/limit_use.h"

namespace coprotect::agent {

// The limits that the front enforces.
std::vector<LimitUse> front_uses(const ipc::Limits& limits, const ipc::Usage& usage);

// "limit front requests_per_client: 3 of 16, hit 12 times"
std::string text_of_use(const LimitUse& use);

// The text exposition format of Prometheus: coprotect_limit, coprotect_limit_use and
// coprotect_limit_hits_total, with labels `at` and `limit`.
std::string prometheus_text(std::span<const LimitUse> uses);

}  // namespace coprotect::agent
