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

// All or nothing. Nobody else reads or writes the store while it lives; it is rolled back unless committed.
class Transaction {
 public:
  Transaction(Transaction&&) noexcept = default;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // `sql` must be a literal: statements are kept by it.
  Query query(const char* sql);
  // What is read next comes from the file, and not from what SQLite keeps of it in memory.
  void read_from_disk();
  // The rows that this transaction reads and writes of tables that are listed. What it changes of them counts
  // once it is committed, with the store's seal.
  RowList& rows();
  // Has the seal renewed with the commit, also if no row that is listed was changed.
  void renew_seal() { renew_seal_ = true; }
  // Runs once all is durable, before anybody else sees the store: where memory follows the disk.
  void after_commit(std::function<void()> effect) { effects_.push_back(std::move(effect)); }
  // Of all transactions of this store since it was opened.
  std::uint64_t number() const { return number_; }
  // What was read shows that somebody altered the store while it was open. Nothing is written or read from
  // now on; the error to answer with, Code::unavailable.
  Error found_altered(const Error& how);
  // Durable when it returns. Code::unavailable if it cannot be made so; then nothing was written.
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

// The agent's one SQLite file: WAL, synchronous=FULL, one connection that threads take in turn. It is not
// trusted to be unaltered: what authorises carries a MAC (keys.h, clients.h), the log is chained and signed
// (log.h). Nor is its schema, or that its files stay where they are: each transaction begins with a look at
// both. Once somebody altered these or the log's end, nothing is written or read until the agent starts
// again.
class Store {
 public:
  // Makes the file (0600) if there is none. Code::conflict if another process has it, or a newer program made
  // it; Code::altered if its tables are not those that this program makes, or it is damaged.
  static Result<std::unique_ptr<Store>> open(const std::filesystem::path& file);
  // A copy in memory of what a store has now, brought up to date: for looking at. The file, which an agent
  // may be writing to, is not changed; without one the copy is a new store. Errors as for open().
  static Result<std::unique_ptr<Store>> copy(const std::filesystem::path& file);
  ~Store();

  // Code::unavailable, too, if the store was altered while it was open.
  Result<Transaction> begin();
  // What is written last in a transaction that changed rows, or was told so: a MAC over all of them.
  void seal_with(std::function<Status(Transaction&)> seal) { seal_ = std::move(seal); }
  // In what way it was, if it was.
  std::optional<Error> problem();
  // Since when nothing can be written, and why; none if the last write succeeded.
  std::optional<std::string> write_failure() const;
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
  sqlite3_stmt* statement(const char* sql);
  Status bring_up_to_date(const std::filesystem::path& file);
  Status check_pages();
  // Whether all is as it was, at the beginning of a transaction. Code::altered if it is not.
  Status check_unaltered();
  Status check_files();
  // What became of a transaction that wrote, or tried to.
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
  std::int64_t changes_ = 0;          // of all rows, when the transaction that runs began
  mutable std::mutex failure_mutex_;  // not the other one: it is asked while somebody waits for the disk
  std::string write_failure_;
  std::optional<std::int64_t> schema_version_;  // of the schema that was compared last
  std::optional<std::vector<FileId>> files_;
  std::map<std::string, Statement, std::less<>> statements_;
};

}  // namespace coprotect::agent::custodian
