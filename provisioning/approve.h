#pragma once

#include <filesystem>
#include <string>

#include "protocol/base/result.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

// An agent's operator says on the agent's host what it thinks of a plan that would change who holds a key:
// the words are the agent's own, made from the plan that it was asked to deal by.
struct ApproveOptions {
  std::filesystem::path directory;     // the agent's folder
  std::filesystem::path token_helper;  // the coprotect-token executable
  std::string plan;                    // the first digits of its hash, 16 at least; empty: shows what waits
  bool list = false;                   // shows what waits, as without a plan
  bool withdraw = false;               // takes an approval back
  bool yes = false;                    // does not ask
  unsigned hours = 24;                 // how long the approval is good, at most 24
};
Status approve(const ApproveOptions& options, const Operator& person, std::int64_t now_ms);

}  // namespace coprotect::provisioning
