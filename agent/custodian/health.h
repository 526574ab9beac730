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

  // What the asker may know of the active keys.
  struct Facts {
    std::size_t keys = 0;
    std::string contacts = "ok";                // or that they could not be told something
    std::string store = "ok";                   // or why it serves nothing, or not all of them
    std::optional<std::int64_t> last_drill_ms;  // of the key whose last one is longest ago; none: never
    // Of the recovery share, likewise: whether its parts hold here, when they were verified, and when its
    // code was last seen to open them or their like.
    std::string recovery = "ok";
    std::optional<std::int64_t> parts_verified_ms;
    std::optional<std::int64_t> code_opened_ms;
  };
  // The token is asked at most every few seconds: an answer costs a process.
  Bytes report(const Facts& facts, std::int64_t now_ms);

 private:
  std::string role_;
  hsm::ShareKeeper& keeper_;
  std::mutex mutex_;
  std::string token_;
  std::optional<std::int64_t> probed_ms_;
};

}  // namespace coprotect::agent::custodian
