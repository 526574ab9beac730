#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/custodian/row_list.h"
#include "agent/custodian/sqlite.h"
#include "protocol/base/owned.h"

namespace coprotect::agent::custodian {

class Store;

// An atomic transaction. No other thread reads or writes the store while it exists. It is rolled back unless
// committed.
class Transaction {
 public:
  Transaction(Transaction&&) noexcept = default;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // `sql` must be a literal: it is the key under which the statement is cached.
  Query query(const char* sql);
  // Makes the next reads come from the file, not from SQLite's cache.
  void read_from_disk();
  // The rows that this transaction reads and writes in listed tables. Its changes to them take effect at
  // commit, together with the store's seal.
  RowList& rows();
  // Renews the seal at commit even if no listed row was changed.
  void renew_seal() { renew_seal_ = true; }
  // Runs `effect` once everything is durable, before another thread sees the store. Use it to make memory
  // follow the disk.
  void after_commit(std::function<void()> effect) { effects_.push_back(std::move(effect)); }
  // Its number among all transactions of this store since it was opened.
  std::uint64_t number() const { return number_; }
  // Call if the data read shows that the store was altered while it was open. Nothing is written or read from
  // then on. Returns the error to answer with, Code::unavailable.
  Error found_altered(const Error& how);
  // Durable when it returns. Code::unavailable if that fails; then nothing was written.
  Status commit();

 private:
  friend class Store;
  Transaction(Store& store, std::unique_lock<std::mutex> lock, std::uint64_t number)
      : store_(&store), lock_(std::move(lock)), number_(number) {}
  Store* store_;
  std::unique_lock<std::mutex> lock_;
  std::uint64_t number_;
  bool renew_seal_ = false;
  std::vector<std::function<void()>> effects_;
};

// The agent's single SQLite file: WAL, synchronous=FULL, one connection that threads use in turn. Its content
// is not trusted: data that authorises carries a MAC (keys.h, clients.h), and the log is chained and signed
// (log.h). Each transaction begins by checking that the schema is unchanged and the files are still in place.
// Once these or the log's end are found altered, nothing is written or read until the agent restarts.
class Store {
 public:
  // Creates the file (0600) if there is none. Code::conflict if another process has it open or a newer
  // program made it; Code::altered if its tables are not those that this program makes, or it is damaged.
  static Result<std::unique_ptr<Store>> open(const std::filesystem::path& file);
  // A copy in memory of what a store has now, brought up to date: for looking at. The file, which an agent
  // may be writing to, is not changed; without one the copy is a new store. Errors as for open().
  static Result<std::unique_ptr<Store>> copy(const std::filesystem::path& file);
  ~Store();

  // Code::unavailable also if the store was altered while it was open.
  Result<Transaction> begin();
  // Sets the last write of a transaction that changed listed rows or called renew_seal(): a MAC over all of
  // them.
  void seal_with(std::function<Status(Transaction&)> seal) { seal_ = std::move(seal); }
  // How the store was altered, if it was.
  std::optional<Error> problem();
  // Since when writes have failed, and why; none if the last write succeeded.
  std::optional<std::string> write_failure() const;
  // Moves committed data into the database file and empties the journal: deleted data is then in neither.
  Status checkpoint();
  // The most pages the file may have: lets a test fill the disk.
  void limit_pages(std::int64_t pages);

 private:
  friend class Transaction;
  using Database = Owned<sqlite3, sqlite3_close_v2>;
  using Statement = Owned<sqlite3_stmt, sqlite3_finalize>;
  Store(int lock_file, Database database) : lock_file_(lock_file), database_(std::move(database)) {}
  Status execute(const char* sql);
  Result<std::int64_t> integer_pragma(const char* sql);
  sqlite3_stmt* statement(const char* sql);
  Status bring_up_to_date(const std::filesystem::path& file);
  Status check_pages();
  // Checks at the beginning of a transaction that nothing was altered. Code::altered otherwise.
  Status check_unaltered();
  Status check_files();
  // Notes whether a transaction's write succeeded.
  void note_write(bool written);

  // Of the database, its journal and its index.
  struct FileId {
    std::uint64_t device;
    std::uint64_t inode;
    bool operator==(const FileId&) const = default;
  };
  std::optional<std::vector<FileId>> file_ids() const;

  int lock_file_;
  std::mutex mutex_;
  Database database_;
  std::uint64_t transactions_ = 0;
  RowList rows_;
  std::function<Status(Transaction&)> seal_;
  std::optional<Error> problem_;
  std::int64_t changes_ = 0;          // total row changes when the current transaction began
  mutable std::mutex failure_mutex_;  // separate: read while a thread waits for the disk
  std::string write_failure_;
  std::optional<std::int64_t> schema_version_;  // of the last schema that was compared
  std::optional<std::vector<FileId>> files_;
  std::map<std::string, Statement, std::less<>> statements_;
};

}  // namespace coprotect::agent::custodian
