#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "agent/custodian/keys.h"
#include "agent/custodian/store.h"

namespace coprotect::agent::custodian {

// Checks that the recovery parts in this agent's store are still those that their key's newest epoch names,
// and can still be opened with its recovery key. Reads them from the disk at start, after each handover, and
// once a day. It does not test code and blob; a drill does.
class PartsChecks {
 public:
  PartsChecks(Store& store, const Keys& keys, hsm::ShareKeeper& keeper)
      : store_(store), keys_(keys), keeper_(keeper) {}

  // Checks one key that is due, if any is.
  void run(std::int64_t now_ms);

  struct State {
    std::optional<std::int64_t> verified_ms;  // when they were last intact
    std::string problem;                      // of the last check; empty if they were intact
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
