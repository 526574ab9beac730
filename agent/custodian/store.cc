#include "agent/custodian/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>

namespace coprotect::agent::custodian {
namespace {

// Step n takes a store from schema version n to n + 1. Steps are only ever added.
constexpr std::array kMigrations = {
    R"sql(
CREATE TABLE keys(
  key_id BLOB PRIMARY KEY,
  sid BLOB NOT NULL UNIQUE,
  invitation BLOB NOT NULL UNIQUE,
  state INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  description BLOB NOT NULL,
  shares BLOB NOT NULL,
  recovery_blob BLOB NOT NULL,
  mac BLOB NOT NULL) STRICT;
CREATE TABLE client_lists(
  tenant TEXT PRIMARY KEY,
  list BLOB NOT NULL,
  mac BLOB NOT NULL) STRICT;
CREATE TABLE nonces(
  client BLOB NOT NULL,
  nonce BLOB NOT NULL,
  time_ms INTEGER NOT NULL,
  PRIMARY KEY(client, nonce)) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_time ON nonces(time_ms);
CREATE TABLE log(seq INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT;
CREATE TABLE log_head(only INTEGER PRIMARY KEY CHECK(only = 1), head BLOB NOT NULL) STRICT;
)sql",
    // A key has a row for each epoch that this agent has to do with.
    R"sql(
ALTER TABLE keys RENAME TO keys_of_one_epoch;
CREATE TABLE keys(
  key_id BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  sid BLOB NOT NULL UNIQUE,
  invitation BLOB NOT NULL,
  state INTEGER NOT NULL,
  description BLOB NOT NULL,
  shares BLOB NOT NULL,
  recovery_blob BLOB NOT NULL,
  recovery_parts BLOB NOT NULL,
  decided INTEGER NOT NULL,
  mac BLOB NOT NULL,
  PRIMARY KEY(key_id, epoch)) STRICT;
INSERT INTO keys
  SELECT key_id, epoch, sid, invitation, state, description, shares, recovery_blob, x'', 0, mac
  FROM keys_of_one_epoch;
DROP TABLE keys_of_one_epoch;
CREATE TABLE announcements(
  key_id BLOB PRIMARY KEY,
  announcement BLOB NOT NULL,
  mac BLOB NOT NULL) STRICT;
)sql",
    R"sql(
CREATE TABLE peer_questions(
  peer BLOB PRIMARY KEY,
  question BLOB NOT NULL,
  mac BLOB NOT NULL) STRICT;
CREATE TABLE floors(
  kind INTEGER NOT NULL,
  name BLOB NOT NULL,
  least INTEGER NOT NULL,
  mac BLOB NOT NULL,
  PRIMARY KEY(kind, name)) STRICT, WITHOUT ROWID;
)sql",
    R"sql(
CREATE TABLE key_lists(
  tenant TEXT PRIMARY KEY,
  list BLOB NOT NULL,
  mac BLOB NOT NULL) STRICT;
)sql",
    // Epochs whose sealing keys are to be destroyed (epoch_erasure.h).
    R"sql(
CREATE TABLE erasures(
  key_id BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  PRIMARY KEY(key_id, epoch)) STRICT, WITHOUT ROWID;
)sql",
    // Waiting times count how long the agent ran; announcements stand side by side.
    R"sql(
CREATE TABLE running(
  only INTEGER PRIMARY KEY CHECK(only = 1),
  ms INTEGER NOT NULL,
  mac BLOB NOT NULL) STRICT;
CREATE TABLE destructions(
  key_id BLOB PRIMARY KEY,
  effective_ms INTEGER NOT NULL,
  running_ms INTEGER NOT NULL,
  mac BLOB NOT NULL) STRICT, WITHOUT ROWID;
DROP TABLE announcements;
CREATE TABLE announcements(
  key_id BLOB NOT NULL,
  announcer BLOB NOT NULL,
  announcement BLOB NOT NULL,
  running_ms INTEGER NOT NULL,
  mac BLOB NOT NULL,
  PRIMARY KEY(key_id, announcer)) STRICT, WITHOUT ROWID;
)sql",
};

// secure_delete: the sealed share of an aborted ceremony does not stay in free pages.
constexpr const char* kSettings =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA trusted_schema=OFF; "
    "PRAGMA cell_size_check=ON;";
constexpr int kBusyTimeoutMs = 5'000;

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const std::filesystem::path& file) {
  // The lock keeps a second agent away, whose idea of the log's end would differ; SQLite gives its files the
  // database's mode.
  const std::string lock_name = file.string() + ".lock";
  const int lock = ::open(lock_name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock < 0) return Error(Code::unavailable, "cannot open \"" + lock_name + "\"");
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    close(lock);
    return Error(Code::conflict, "store \"" + file.string() + "\": in use by another agent");
  }
  const int created = ::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (created >= 0) close(created);

  Database database;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int opened = sqlite3_open_v2(file.c_str(), out(database), flags, nullptr);
  auto store = std::unique_ptr<Store>(new Store(lock, std::move(database)));
  if (opened != SQLITE_OK) return Error(Code::unavailable, "cannot open store \"" + file.string() + "\"");
  sqlite3_busy_timeout(store->database_.get(), kBusyTimeoutMs);
  if (auto set = store->execute(kSettings); !set) return std::move(set).error();
  if (auto current = store->migrate(); !current)
    return std::move(current).error().in("\"" + file.string() + "\"");
  return store;
}

Store::~Store() {
  statements_.clear();
  database_.reset();
  close(lock_file_);
}

Status Store::migrate() {
  const auto version = integer_pragma("PRAGMA user_version");
  if (!version) return version.error();
  const auto current = static_cast<std::int64_t>(kMigrations.size());
  if (*version < 0 || *version > current)
    return Error(Code::conflict, "store has schema version " + std::to_string(*version) +
                                     ", this program knows " + std::to_string(current));
  for (std::int64_t step = *version; step < current; ++step) {
    const std::string sql = std::string("BEGIN IMMEDIATE;") + kMigrations[static_cast<std::size_t>(step)] +
                            "PRAGMA user_version=" + std::to_string(step + 1) + ";COMMIT;";
    if (auto migrated = execute(sql.c_str()); !migrated) return migrated;
  }
  return Done{};
}

Status Store::execute(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return sqlite_error(database_.get(), "run a statement");
  return Done{};
}

Result<std::int64_t> Store::integer_pragma(const char* sql) {
  Query query(database_.get(), statement(sql));
  const auto row = query.step();
  if (!row) return row.error();
  return query.integer(0);
}

Status Store::checkpoint() {
  const std::lock_guard lock(mutex_);
  // The statement succeeds also if it did not get to it: its first column says so.
  const auto busy = integer_pragma("PRAGMA wal_checkpoint(TRUNCATE)");
  if (!busy) return busy.error();
  if (*busy != 0)
    return Error(Code::unavailable,
                 "the store's journal cannot be emptied while another program, such as a backup, reads it");
  return Done{};
}

void Store::limit_pages(std::int64_t pages) {
  const std::lock_guard lock(mutex_);
  static_cast<void>(execute("VACUUM"));  // or pages that rows left free would be filled first
  static_cast<void>(execute(("PRAGMA max_page_count=" + std::to_string(pages)).c_str()));
}

sqlite3_stmt* Store::statement(const char* sql) {
  if (const auto known = statements_.find(sql); known != statements_.end()) return known->second.get();
  Statement prepared;
  if (sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, out(prepared), nullptr) !=
      SQLITE_OK)
    return nullptr;
  return statements_.emplace(sql, std::move(prepared)).first->second.get();
}

Result<Transaction> Store::begin() {
  std::unique_lock lock(mutex_);
  if (auto begun = execute("BEGIN IMMEDIATE"); !begun) return std::move(begun).error();
  return Transaction(*this, std::move(lock));
}

Query Transaction::query(const char* sql) {
  return {store_->database_.get(), store_->statement(sql)};
}

Status Transaction::commit() {
  if (auto committed = store_->execute("COMMIT"); !committed) return committed;
  for (const auto& effect : effects_) effect();
  lock_.unlock();
  return Done{};
}

Transaction::~Transaction() {
  // A failed COMMIT may have rolled back already; then there is nothing left to do.
  if (lock_.owns_lock() && sqlite3_get_autocommit(store_->database_.get()) == 0)
    static_cast<void>(store_->execute("ROLLBACK"));
}

}  // namespace coprotect::agent::custodian
