#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "hsm/share_keeper.h"

namespace coprotect::agent::custodian {

// Whether the agent can work: the JSON of GET /v1/health (agent/API.md).
class Health {
 public:
  Health(std::string role, hsm::ShareKeeper& keeper) : role_(std::move(role)), keeper_(keeper) {}

  // What the asker may know of the active keys.
  struct Facts {
    std::size_t keys = 0;
    // How the last use of a key's share ended, of those that were used since the start.
    struct Use {
      std::string key_id;
      std::int64_t since_ms;
      std::string failure;  // empty: it works
    };
    std::vector<Use> uses;
    std::string contacts = "ok";                // or that they could not be told something
    std::string erasure = "ok";                 // or what is wrong with a hold
    std::vector<std::string> held;              // key_ids of those whose erasure the operator holds
    std::string backup = "none";                // or "ok", or why the newest one does not do
    std::string store = "ok";                   // or why it serves nothing, or not all of them
    std::string log = "ok";                     // or which of its entries are damaged
    std::optional<std::int64_t> last_drill_ms;  // of the key whose last one is longest ago; none: never
    // Of the recovery share, likewise: whether its parts hold here, when they were verified, and when its
    // code was last seen to open them or their like.
    std::string recovery = "ok";
    std::optional<std::int64_t> parts_verified_ms;
    std::optional<std::int64_t> code_opened_ms;
  };
  // The token is asked at most every few seconds: an answer costs a process. It is asked in a thread of its
  // own, for which a report waits a moment only: it is given also while the token hangs.
  Bytes report(const Facts& facts, std::int64_t now_ms);

 private:
  // "ok", or why not.
  std::string token(std::int64_t now_ms);
  void ask();

  std::string role_;
  hsm::ShareKeeper& keeper_;
  std::mutex mutex_;  // guards all below
  std::condition_variable answered_;
  std::string token_;  // what it said last
  std::optional<std::int64_t> probed_ms_;
  bool asking_ = false;
  std::chrono::steady_clock::time_point asked_{};
  std::jthread thread_;  // the last to go: it uses what is above
};

}  // namespace coprotect::agent::custodian
