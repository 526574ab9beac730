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

// An agent's store.db, from outside the agent: what backing it up and putting it back need to know of it.

// Copies a store that the agent may be writing to, by SQLite's online backup: the copy is one state of it, in
// one file (0600), on the disk when this returns. The agent is not held up. Code::unavailable if the disk is
// full.
Status copy_store(const std::filesystem::path& from, const std::filesystem::path& to);

// The number of the last entry of its log; 0 for a new one. Code::altered if the file is damaged.
Result<std::uint64_t> last_log_entry(const std::filesystem::path& store);
// Whether it has a key, in any state: then something was sealed.
Result<bool> has_keys(const std::filesystem::path& store);

// The keys that it has a row of, in any state. Empty if there is no store yet.
Result<std::set<protocol::KeyId>> known_keys(const std::filesystem::path& store);

using hsm::is_in_use;

// The log in a store that its agent may be writing to: one state of it, for as long as this lives.
class StoredLog {
 public:
  static Result<StoredLog> open(const std::filesystem::path& store);
  StoredLog(StoredLog&&) noexcept;
  StoredLog& operator=(StoredLog&&) = delete;
  ~StoredLog();

  // As encoded; empty if there is none.
  Result<Bytes> cut() const;
  Result<Bytes> head() const;
  struct Row {
    std::uint64_t seq;
    Bytes entry;  // encoded
    Bytes noted;  // its hash as the agent wrote it down; may be empty
  };
  // In their order.
  Status each(const std::function<Status(const Row& row)>& visit) const;
  // Empty if there is none.
  Result<Bytes> entry(std::uint64_t seq) const;

 private:
  StoredLog(std::filesystem::path store, sqlite3* database) : store_(std::move(store)), database_(database) {}
  Result<Bytes> one(const char* sql) const;
  std::filesystem::path store_;
  sqlite3* database_;
};

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
