#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "hsm/share_keeper.h"

namespace coprotect::agent::custodian {

// Whether the agent can work: the JSON of GET /v1/health (agent/API.md).
class Health {
 public:
  Health(std::string role, hsm::ShareKeeper& keeper) : role_(std::move(role)), keeper_(keeper) {}

  // `keys` is the number of active keys that the asker may know of. The token is asked at most every few
  // seconds: an answer costs a process.
  Bytes report(std::size_t keys, std::int64_t now_ms);

 private:
  std::string role_;
  hsm::ShareKeeper& keeper_;
  std::mutex mutex_;
  std::string token_;
  std::optional<std::int64_t> probed_ms_;
};

}  // namespace coprotect::agent::custodian
