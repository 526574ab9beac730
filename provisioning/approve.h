#pragma once

#include <filesystem>
#include <string>

#include "protocol/base/result.h"
#include "provisioning/operator.h"

namespace coprotect::provisioning {

// On the agent's host, the agent's operator approves a plan that changes who holds a key, or withdraws an
// approval. The plan's description is the agent's own, made from the plan by which it was asked to deal.
struct ApproveOptions {
  std::filesystem::path directory;     // the agent's folder
  std::filesystem::path token_helper;  // the coprotect-token executable
  std::string plan;                    // the first digits of its hash, at least 16; empty: shows what waits
  bool list = false;                   // shows what waits, as without a plan
  bool withdraw = false;               // withdraws an approval
  bool yes = false;                    // does not ask
  unsigned hours = 24;                 // how long the approval is valid, at most 24
};
Status approve(const ApproveOptions& options, const Operator& person, std::int64_t now_ms);

}  // namespace coprotect::provisioning
