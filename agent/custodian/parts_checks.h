#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "agent/custodian/keys.h"
#include "agent/custodian/store.h"

namespace coprotect::agent::custodian {

// Whether the recovery parts that this agent's store keeps are still those that their key's newest epoch
// names, and can still be opened with its recovery key: read from the disk and checked when the agent starts,
// after each handover, and again each day. It says nothing of code and blob; that a drill shows.
class PartsChecks {
 public:
  PartsChecks(Store& store, const Keys& keys, hsm::ShareKeeper& keeper)
      : store_(store), keys_(keys), keeper_(keeper) {}

  // Checks one key that is due, if any is.
  void run(std::int64_t now_ms);

  struct State {
    std::optional<std::int64_t> verified_ms;  // when they held last
    std::string problem;                      // of the last check; empty if they held
  };
  // None if the key has no recovery party.
  std::optional<State> of(const Key& key) const;

 private:
  struct Entry {
    std::uint32_t epoch;
    std::int64_t tried_ms;
    State state;
  };
  bool due(const Key& key, std::int64_t now_ms) const;
  Status check(const Key& key) const;

  Store& store_;
  const Keys& keys_;
  hsm::ShareKeeper& keeper_;
  mutable std::mutex mutex_;
  std::map<protocol::KeyId, Entry> entries_;
};

}  // namespace coprotect::agent::custodian
