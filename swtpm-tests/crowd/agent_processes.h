#pragma once

#include <sys/types.h>

#include <chrono>
#include <vector>

#include "swtpm-tests/crowd/scene.h"

namespace coprotect::harness::crowd {

// An agent's process and all that it started, itself first.
std::vector<pid_t> processes_of(Agent& agent);
// Those that stay as long as nobody kills them: a token's helper may be replaced.
std::vector<pid_t> lasting_processes_of(Agent& agent);
// Waits until the agents have little left to do. False if they have after `limit`.
bool wait_until_idle(Scene& scene, std::chrono::seconds limit);

}  // namespace coprotect::harness::crowd
