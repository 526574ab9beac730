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

// Reports whether the agent can work: the JSON of GET /v1/health (agent/API.md).
class Health {
 public:
  Health(std::string role, hsm::ShareKeeper& keeper) : role_(std::move(role)), keeper_(keeper) {}

  // What the caller may know of the active keys.
  struct Facts {
    std::size_t keys = 0;
    // How the last use of a key's share ended, for keys used since the start.
    struct Use {
      std::string key_id;
      std::int64_t since_ms;
      std::string failure;  // empty: it works
    };
    std::vector<Use> uses;
    std::string contacts = "ok";                // or which notification failed
    std::string erasure = "ok";                 // or what is wrong with a hold
    std::vector<std::string> held;              // key_ids whose erasure the operator holds
    std::string backup = "none";                // or "ok", or why the newest one is not sufficient
    std::string store = "ok";                   // or why it serves no keys, or only some
    std::string log = "ok";                     // or which of its entries are damaged
    std::optional<std::int64_t> last_drill_ms;  // of the key with the oldest; none: never
    // The same for the recovery share: whether its parts are intact here, when they were verified, and when
    // its code was last seen to open the recovery parts.
    std::string recovery = "ok";
    std::optional<std::int64_t> parts_verified_ms;
    std::optional<std::int64_t> code_opened_ms;
  };
  // Asks the token at most every few seconds, because each answer costs a process. It does so in its own
  // thread, and a report waits for that only briefly: it is produced even while the token hangs.
  Bytes report(const Facts& facts, std::int64_t now_ms);

 private:
  // "ok", or why not.
  std::string token(std::int64_t now_ms);
  void ask();

  std::string role_;
  hsm::ShareKeeper& keeper_;
  std::mutex mutex_;  // guards all below
  std::condition_variable answered_;
  std::string token_;  // its last answer
  std::optional<std::int64_t> probed_ms_;
  bool asking_ = false;
  std::chrono::steady_clock::time_point asked_{};
  std::jthread thread_;  // destroyed first: it uses the members above
};

}  // namespace coprotect::agent::custodian
