#pragma once

#include <cstdint>
#include <filesystem>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace coprotect::provisioning {

// An agent's store.db, from outside the agent: what backing it up and putting it back need to know of it.

// Copies a store that the agent may be writing to, by SQLite's online backup: the copy is one state of it, in
// one file (0600), on the disk when this returns. The agent is not held up. Code::unavailable if the disk is
// full.
Status copy_store(const std::filesystem::path& from, const std::filesystem::path& to);

// The number of the last entry of its log; 0 for a new one. Code::altered if the file is damaged.
Result<std::uint64_t> last_log_entry(const std::filesystem::path& store);
// Whether it has a key, in any state: then something was sealed.
Result<bool> has_keys(const std::filesystem::path& store);

// Keeps agents from opening a store, for as long as it lives.
class StoreLock {
 public:
  // Code::conflict while an agent runs on it.
  static Result<StoreLock> acquire(const std::filesystem::path& store);

 private:
  explicit StoreLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace coprotect::provisioning
