#include "provisioning/agent_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "protocol/base/fault.h"
#include "protocol/base/owned.h"

namespace coprotect::provisioning {
namespace {

namespace fs = std::filesystem;

using Database = Owned<sqlite3, sqlite3_close_v2>;
using Statement = Owned<sqlite3_stmt, sqlite3_finalize>;

constexpr int kBusyTimeoutMs = 10'000;

Error failure(sqlite3* database, const fs::path& store, std::string_view what) {
  const int primary = sqlite3_errcode(database) & 0xff;
  const bool damaged = primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
  return {damaged ? Code::altered : Code::unavailable,
          "cannot " + std::string(what) + " store \"" + store.string() + "\": " + sqlite3_errmsg(database)};
}

// For writing, too: a store whose agent was killed is put in order by the first who opens it.
Result<Database> open_store(const fs::path& store, int create) {
  Database database;
  const int flags = SQLITE_OPEN_READWRITE | create | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(store.c_str(), out(database), flags, nullptr) != SQLITE_OK)
    return failure(database.get(), store, "open");
  sqlite3_busy_timeout(database.get(), kBusyTimeoutMs);
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

}  // namespace

Status copy_store(const fs::path& from, const fs::path& to) {
  fault_point("before copying the store");
  auto source = open_store(from, 0);
  if (!source) return std::move(source).error();
  const Fd created(open(to.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!created)
    return Error(Code::unavailable, "cannot make \"" + to.string() + "\": " + std::strerror(errno));
  auto target = open_store(to, 0);
  if (!target) return std::move(target).error();
  sqlite3_backup* const copy = sqlite3_backup_init(target->get(), "main", source->get(), "main");
  if (copy == nullptr) return failure(target->get(), to, "write");
  // All of it in one step, which is one read of a WAL store: its writers go on meanwhile, and it is one
  // state.
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
  auto database = open_store(store, 0);
  if (!database) return std::move(database).error();
  const auto sound = ask(database->get(), store, "PRAGMA quick_check(1)");
  if (!sound) return sound.error();
  if (*sound != "ok") return Error(Code::altered, "store \"" + store.string() + "\" is damaged: " + *sound);
  const auto last = ask(database->get(), store, "SELECT coalesce(max(seq), 0) FROM log");
  if (!last) return last.error();
  return std::strtoull(last->c_str(), nullptr, 10);
}

Result<bool> has_keys(const fs::path& store) {
  auto database = open_store(store, 0);
  if (!database) return std::move(database).error();
  const auto any = ask(database->get(), store, "SELECT EXISTS(SELECT 1 FROM keys)");
  if (!any) return any.error();
  return *any == "1";
}

Result<StoreLock> StoreLock::acquire(const fs::path& store) {
  const std::string name = store.string() + ".lock";
  Fd lock(open(name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return Error(Code::unavailable, "cannot open \"" + name + "\": " + std::strerror(errno));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return Error(Code::conflict, "store \"" + store.string() + "\" is in use: its agent runs");
  return StoreLock(std::move(lock));
}

}  // namespace coprotect::provisioning
