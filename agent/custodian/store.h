#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/custodian/sqlite.h"
#include "protocol/base/owned.h"

namespace coprotect::agent::custodian {

class Store;

// All or nothing. Nobody else reads or writes the store while it lives; it is rolled back unless committed.
class Transaction {
 public:
  Transaction(Transaction&&) noexcept = default;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // `sql` must be a literal: statements are kept by it.
  Query query(const char* sql);
  // Runs once all is durable, before anybody else sees the store: where memory follows the disk.
  void after_commit(std::function<void()> effect) { effects_.push_back(std::move(effect)); }
  // Durable when it returns. Code::unavailable if it cannot be made so; then nothing was written.
  Status commit();

 private:
  friend class Store;
  Transaction(Store& store, std::unique_lock<std::mutex> lock) : store_(&store), lock_(std::move(lock)) {}
  Store* store_;
  std::unique_lock<std::mutex> lock_;
  std::vector<std::function<void()>> effects_;
};

// The agent's one SQLite file: WAL, synchronous=FULL, one connection that threads take in turn. It is not
// trusted to be unaltered: what authorises carries a MAC (keys.h, clients.h), the log is chained and signed
// (log.h).
class Store {
 public:
  // Makes the file (0600) if there is none. Code::conflict if another process has it, or a newer program made
  // it.
  static Result<std::unique_ptr<Store>> open(const std::filesystem::path& file);
  ~Store();

  Result<Transaction> begin();
  // Moves what was committed into the database file and empties the journal: what was deleted is in neither.
  Status checkpoint();
  // The most pages the file may grow to: lets a test fill the disk.
  void limit_pages(std::int64_t pages);

 private:
  friend class Transaction;
  using Database = Owned<sqlite3, sqlite3_close_v2>;
  using Statement = Owned<sqlite3_stmt, sqlite3_finalize>;
  Store(int lock_file, Database database) : lock_file_(lock_file), database_(std::move(database)) {}
  Status execute(const char* sql);
  Result<std::int64_t> integer_pragma(const char* sql);
  Status migrate();
  sqlite3_stmt* statement(const char* sql);

  int lock_file_;
  std::mutex mutex_;
  Database database_;
  std::map<std::string, Statement, std::less<>> statements_;
};

}  // namespace coprotect::agent::custodian
