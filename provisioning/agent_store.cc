#include "provisioning/agent_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "protocol/base/fault.h"
#include "protocol/base/owned.h"
#include "provisioning/agent_files.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

using Database = Owned<sqlite3, sqlite3_close_v2>;
using Statement = Owned<sqlite3_stmt, sqlite3_finalize>;

constexpr int kBusyTimeoutMs = 10'000;

Error failure(sqlite3* database, const fs::path& store, std::string_view what) {
  const int primary = sqlite3_errcode(database) & 0xff;
  const bool damaged = primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
  if (sqlite3_extended_errcode(database) == SQLITE_READONLY_ROLLBACK)
    return {Code::unavailable, "store \"" + store.string() +
                                   "\" has a rollback journal beside it, which only its agent may undo, at "
                                   "its next start"};
  return {damaged ? Code::altered : Code::unavailable,
          "cannot " + std::string(what) + " store \"" + store.string() + "\": " + sqlite3_errmsg(database)};
}

// SQLite would wait at a FIFO. The agent controls the store's files.
Status check_files(const fs::path& store) {
  for (const char* const suffix : {"", "-wal", "-shm", "-journal"}) {
    const std::string name = store.string() + suffix;
    struct stat about {};
    if (lstat(name.c_str(), &about) == 0 && !S_ISREG(about.st_mode))
      return Error(Code::altered, "\"" + name + "\" is not a regular file");
  }
  return Done{};
}

// SQLITE_OPEN_NOFOLLOW rejects a link anywhere in a path, but a link in the path to the folder is legitimate.
std::string without_links(const fs::path& store) {
  std::error_code failure;
  const fs::path folder = fs::canonical(store.parent_path(), failure);
  return failure ? store.string() : (folder / store.filename()).string();
}

// Opens an agent's store for reading only, so that SQLite ignores a rollback journal beside it. The agent may
// have written that journal, and it names a file, anywhere, that SQLite would remove. An honest agent leaves
// one only while it switches its store to WAL.
Result<Database> open_store(const fs::path& store, int access) {
  if (auto sound = check_files(store); !sound) return std::move(sound).error();
  Database database;
  const int flags = access | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(without_links(store).c_str(), out(database), flags, nullptr) != SQLITE_OK)
    return failure(database.get(), store, "open");
  sqlite3_busy_timeout(database.get(), kBusyTimeoutMs);
  // The schema may be hostile. The agent checks it at its start; here nothing in it is executed.
  for (const auto& [option, value] :
       {std::pair(SQLITE_DBCONFIG_DEFENSIVE, 1), std::pair(SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
        std::pair(SQLITE_DBCONFIG_ENABLE_TRIGGER, 0), std::pair(SQLITE_DBCONFIG_ENABLE_VIEW, 0)})
    if (sqlite3_db_config(database.get(), option, value, nullptr) != SQLITE_OK)
      return failure(database.get(), store, "open");
  return database;
}

// The first column of the first row.
Result<std::string> ask(sqlite3* database, const fs::path& store, const char* sql) {
  Statement statement;
  if (sqlite3_prepare_v2(database, sql, -1, out(statement), nullptr) != SQLITE_OK)
    return failure(database, store, "read");
  if (sqlite3_step(statement.get()) != SQLITE_ROW) return failure(database, store, "read");
  const auto* const text = reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), 0));
  return std::string(text == nullptr ? "" : text);
}

Bytes blob_of(sqlite3_stmt* row, int column = 0) {
  const auto* const data = static_cast<const std::uint8_t*>(sqlite3_column_blob(row, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(row, column));
  return data == nullptr ? Bytes{} : Bytes(data, data + size);
}

}  // namespace

Status copy_store(const fs::path& from, const fs::path& to) {
  fault_point("before copying the store");
  auto source = open_store(from, SQLITE_OPEN_READONLY);
  if (!source) return std::move(source).error();
  const Fd created(open(to.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!created)
    return Error(Code::unavailable, "cannot make \"" + to.string() + "\": " + std::strerror(errno));
  auto target = open_store(to, SQLITE_OPEN_READWRITE);
  if (!target) return std::move(target).error();
  sqlite3_backup* const copy = sqlite3_backup_init(target->get(), "main", source->get(), "main");
  if (copy == nullptr) return failure(target->get(), to, "write");
  // Everything in one step, which is a single read of a WAL store. Writers continue meanwhile, and the copy
  // is one consistent state.
  sqlite3_backup_step(copy, -1);
  if (sqlite3_backup_finish(copy) != SQLITE_OK) return failure(target->get(), to, "write");
  // The copy is one file, without a log beside it.
  if (sqlite3_exec(target->get(), "PRAGMA journal_mode=DELETE", nullptr, nullptr, nullptr) != SQLITE_OK)
    return failure(target->get(), to, "write");
  target->reset();
  if (fsync(created.get()) != 0)
    return Error(Code::unavailable, "cannot write \"" + to.string() + "\": " + std::strerror(errno));
  fault_point("after copying the store");
  return Done{};
}

Result<std::uint64_t> last_log_entry(const fs::path& store) {
  auto database = open_store(store, SQLITE_OPEN_READONLY);
  if (!database) return std::move(database).error();
  const auto sound = ask(database->get(), store, "PRAGMA quick_check(1)");
  if (!sound) return sound.error();
  if (*sound != "ok") return Error(Code::altered, "store \"" + store.string() + "\" is damaged: " + *sound);
  const auto last = ask(database->get(), store, "SELECT coalesce(max(seq), 0) FROM log");
  if (!last) return last.error();
  return std::strtoull(last->c_str(), nullptr, 10);
}

Result<bool> has_keys(const fs::path& store) {
  auto database = open_store(store, SQLITE_OPEN_READONLY);
  if (!database) return std::move(database).error();
  const auto any = ask(database->get(), store, "SELECT EXISTS(SELECT 1 FROM keys)");
  if (!any) return any.error();
  return *any == "1";
}

Result<std::set<protocol::KeyId>> known_keys(const fs::path& store) {
  std::set<protocol::KeyId> keys;
  std::error_code ignored;
  if (!fs::exists(store, ignored)) return keys;
  const auto database = open_store(store, SQLITE_OPEN_READONLY);
  if (!database) return database.error();
  Statement statement;
  if (sqlite3_prepare_v2(database->get(), "SELECT DISTINCT key_id FROM keys", -1, out(statement), nullptr) !=
      SQLITE_OK)
    return failure(database->get(), store, "read");
  int row = sqlite3_step(statement.get());
  for (; row == SQLITE_ROW; row = sqlite3_step(statement.get())) {
    protocol::KeyId key_id{};
    if (sqlite3_column_bytes(statement.get(), 0) != static_cast<int>(key_id.size())) continue;
    std::memcpy(key_id.data(), sqlite3_column_blob(statement.get(), 0), key_id.size());
    keys.insert(key_id);
  }
  if (row != SQLITE_DONE) return failure(database->get(), store, "read");
  return keys;
}

Result<StoredLog> StoredLog::open(const fs::path& store) {
  auto database = open_store(store, SQLITE_OPEN_READONLY);
  if (!database) return std::move(database).error();
  // The first read determines which state it is.
  if (sqlite3_exec(database->get(), "BEGIN; SELECT 1 FROM log_head", nullptr, nullptr, nullptr) != SQLITE_OK)
    return failure(database->get(), store, "read");
  return StoredLog(store, database->release());
}

StoredLog::StoredLog(StoredLog&& other) noexcept
    : store_(std::move(other.store_)), database_(std::exchange(other.database_, nullptr)) {}

StoredLog::~StoredLog() {
  if (database_ != nullptr) sqlite3_close_v2(database_);
}

Status StoredLog::each(const std::function<Status(const Row&)>& visit) const {
  constexpr const char* kRows =
      "SELECT log.seq, log.entry, log_hashes.hash FROM log LEFT JOIN log_hashes ON log_hashes.seq=log.seq "
      "ORDER BY log.seq";
  Statement statement;
  if (sqlite3_prepare_v2(database_, kRows, -1, out(statement), nullptr) != SQLITE_OK)
    return failure(database_, store_, "read");
  int row = sqlite3_step(statement.get());
  for (; row == SQLITE_ROW; row = sqlite3_step(statement.get()))
    if (auto visited = visit({.seq = static_cast<std::uint64_t>(sqlite3_column_int64(statement.get(), 0)),
                              .entry = blob_of(statement.get(), 1),
                              .noted = blob_of(statement.get(), 2)});
        !visited)
      return visited;
  return row == SQLITE_DONE ? Status(Done{}) : Status(failure(database_, store_, "read"));
}

Result<Bytes> StoredLog::one(const char* sql) const {
  Statement statement;
  if (sqlite3_prepare_v2(database_, sql, -1, out(statement), nullptr) != SQLITE_OK)
    return failure(database_, store_, "read");
  const int row = sqlite3_step(statement.get());
  if (row != SQLITE_ROW && row != SQLITE_DONE) return failure(database_, store_, "read");
  return row == SQLITE_ROW ? blob_of(statement.get()) : Bytes{};
}

Result<Bytes> StoredLog::cut() const {
  const auto known = one("SELECT name FROM sqlite_schema WHERE name='log_cut'");
  if (!known) return known.error();
  if (known->empty())
    return Error(Code::conflict, "store \"" + store_.string() +
                                     "\" is of an older version: start its agent once with this one");
  return one("SELECT cut FROM log_cut");
}

Result<Bytes> StoredLog::entry(std::uint64_t seq) const {
  return one(("SELECT entry FROM log WHERE seq=" + std::to_string(seq)).c_str());
}

Result<Bytes> StoredLog::head() const {
  return one("SELECT head FROM log_head");
}

Result<StoreLock> StoreLock::acquire(const fs::path& store) {
  const std::string name = store.string() + ".lock";
  auto lock = open_agents_file(name);  // the agent's user locks it too
  if (!lock) return std::move(lock).error();
  if (flock(lock->get(), LOCK_EX | LOCK_NB) != 0)
    return Error(Code::conflict, "store \"" + store.string() + "\" is in use: its agent runs");
  return StoreLock(*std::move(lock));
}

}  // namespace coprotect::provisioning
