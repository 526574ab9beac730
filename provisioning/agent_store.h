#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>

#include "hsm/store_in_use.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "protocol/file/header.h"

struct sqlite3;

namespace coprotect::provisioning {

// An agent's store.db seen from outside the agent, for backup and restore.

// Copies a store to which the agent may be writing, with SQLite's online backup. The copy is a consistent
// state in one file (0600), and is on the disk when this returns. The agent is not blocked. Code::unavailable
// if the disk is full.
Status copy_store(const std::filesystem::path& from, const std::filesystem::path& to);

// The number of its log's last entry; 0 for a new log. Code::altered if the file is damaged.
Result<std::uint64_t> last_log_entry(const std::filesystem::path& store);
// Whether it has a key in any state. If so, something has been sealed.
Result<bool> has_keys(const std::filesystem::path& store);

// The keys for which it has a row, in any state. Empty if there is no store yet.
Result<std::set<protocol::KeyId>> known_keys(const std::filesystem::path& store);

using hsm::is_in_use;

// The log in a store to which its agent may be writing: one consistent state, for this object's lifetime.
class StoredLog {
 public:
  static Result<StoredLog> open(const std::filesystem::path& store);
  StoredLog(StoredLog&&) noexcept;
  StoredLog& operator=(StoredLog&&) = delete;
  ~StoredLog();

  // Encoded. Empty if there is none.
  Result<Bytes> cut() const;
  Result<Bytes> head() const;
  struct Row {
    std::uint64_t seq;
    Bytes entry;  // encoded
    Bytes noted;  // its hash as the agent recorded it; may be empty
  };
  // In order.
  Status each(const std::function<Status(const Row& row)>& visit) const;
  // Empty if there is none.
  Result<Bytes> entry(std::uint64_t seq) const;

 private:
  StoredLog(std::filesystem::path store, sqlite3* database) : store_(std::move(store)), database_(database) {}
  Result<Bytes> one(const char* sql) const;
  std::filesystem::path store_;
  sqlite3* database_;
};

// Keeps agents from opening a store during its lifetime.
class StoreLock {
 public:
  // Code::conflict while an agent runs on it.
  static Result<StoreLock> acquire(const std::filesystem::path& store);

 private:
  explicit StoreLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace coprotect::provisioning
