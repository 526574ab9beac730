#pragma once

#include <filesystem>
#include <string>

#include "protocol/base/result.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

// An agent's operator holds the erasure of a destroyed key's shares at this agent, or releases it. Run on the
// agent's host, as the agent's user, whether the agent runs or not.
struct HoldErasureOptions {
  std::filesystem::path directory;     // the agent's folder
  std::filesystem::path token_helper;  // the coprotect-token executable
  std::string key;       // the first digits of its key_id, at least 16; empty: shows the present holds
  bool release = false;  // releases the erasure
  bool yes = false;      // does not ask
};
Status hold_erasure(const HoldErasureOptions& options, const Operator& person, std::int64_t now_ms);

}  // namespace coprotect::provisioning
